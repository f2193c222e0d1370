/** Awkward database names: dumped side by side, named injectively, restored, purged; never an option, a path or a control sequence. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {decodeDatabaseName, encodeDatabaseName} from '../../source/retention/names.js';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {cleanEnvironment, connectTo, filesIn, runProgram, scratchDirectory, shapesIn} from '../helpers/program.js';

const names = [
	...[
		'a/b',
		'a_b',
		'a%2Fb',
		'.hidden',
		'..',
		'../../etc',
		'-Fp',
		'--help',
		'--',
		'pg_globals',
		'pg_settings',
		'hba_file',
		'pg_back',
		'DEFAULT',
	],
	...[
		'a b',
		' lead',
		'trail ',
		`it's`,
		'qu"ote',
		'back\\slash',
		'$HOME',
		'$(id)',
		'`id`',
		'a;b',
		'a|b',
		'a&b',
		'a*b',
		'a?b',
		'[a]',
		'{dbname}',
		'~',
		'#x',
		'x=y',
		'host=x',
		'a,b',
		'a:b',
		'%s%n',
	],
	...[
		'tab\there',
		'line\nbreak',
		'cr\rhere',
		'esc\u001B[31mred',
		'bell\u0007',
		'UPPER',
		'upper',
		'\u00E9',
		'e\u0301',
		'日本語',
		'🐘',
		'z'.repeat(63),
		'é'.repeat(31),
	],
	...[
		'postgresql://u@h/db',
		'x_2020-01-01T00:00:00Z',
		'x_2020-01-01T00:00:00Z.dump',
		'a.sql',
		'C:\\x',
		'con',
		'\u202Egnp',
		'template2',
		"a'\\b",
		'1',
		'\u00A0nbsp',
	],
] as const;

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'names', settings: {max_connections: '60'}});
	const strategy = server.major >= 15 ? ' strategy file_copy' : '';
	await server.psql(
		'postgres',
		names.map(name => `create database "${name.replaceAll('"', '""')}"${strategy};`).join('\n'),
	);
	const waiting: string[] = [...names];
	const mark = async () => {
		for (let name = waiting.pop(); name !== undefined; name = waiting.pop())
			await server.psql(name, `create table mark as select ${literal(name)}::text as name`);
	};
	await Promise.all([mark(), mark(), mark(), mark()]);
});
after(async () => server.stop());

function literal(text: string): string {
	return `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

test(`${names.length} names in one run: a file each, that names its database and holds it`, async () => {
	const directory = scratchDirectory('names');
	const run = await runProgram([...connectTo(server, directory), '-j', '4', '-S', 'sha256']);
	assert.equal(run.code, 0, run.stderr);
	const dumps = readdirSync(directory).filter(name => name.endsWith('.dump'));
	assert.equal(dumps.length, names.length + 1);
	const found = new Set(dumps.map(name => decodeDatabaseName(name.replace(/_[^_]*\.dump$/, ''))));
	for (const name of names) assert.ok(found.has(name), JSON.stringify(name));
	for (const name of filesIn(directory, {manifests: true}))
		assert.match(name, /^[\w%-][\w.%:+-]*$/, 'only harmless characters');
	for (const control of ['\u001B', '\u0007', '\r', '\t', '\u202E'])
		assert.ok(!run.stderr.includes(control), JSON.stringify(control));
	for (const name of names) {
		const path = join(
			directory,
			dumps.find(dump => dump.startsWith(`${encodeDatabaseName(name)}_2`)) ?? assert.fail(name),
		);
		const sql = execFileSync(join(clientDirectory(), 'pg_restore'), ['-f', '-', '--data-only', '--', path], {
			env: cleanEnvironment,
			encoding: 'utf8',
		});
		const copied = /COPY public\.mark \(name\) FROM stdin;\n(.*)\n/.exec(sql)?.[1] ?? '';
		assert.equal(
			copied.replaceAll('\\n', '\n').replaceAll('\\r', '\r').replaceAll('\\t', '\t').replaceAll('\\\\', '\\'),
			name,
		);
	}
	execFileSync('sh', ['-c', 'for list in ./*.sha256; do sha256sum -c "$list" || exit 1; done'], {
		cwd: directory,
		stdio: 'ignore',
	});
});

test('named on the command line and by sections of a configuration file', async () => {
	const directory = scratchDirectory('names');
	const some = [
		'a/b',
		'../../etc',
		'-Fp',
		`it's`,
		'line\nbreak',
		'$(id)',
		'a b',
		'host=x',
		'postgresql://u@h/db',
		'[a]',
	];
	const file = join(scratchDirectory('conf'), 'x.conf');
	writeFileSync(
		file,
		'[../../etc]\nformat = plain\n[a b]\nformat = tar\n[$(id)]\nformat = directory\n[[a]]\nformat = tar\n',
	);
	const run = await runProgram(['-c', file, ...connectTo(server, directory).slice(1), '--dump-only', '--', ...some]);
	assert.equal(run.code, 0, run.stderr);
	const shapes = shapesIn(directory);
	assert.equal(shapes.filter(name => !name.includes('/')).length, some.length);
	for (const name of ['%2E.%2F..%2Fetc_T.sql', 'a%20b_T.tar', '%24%28id%29_T.d', '%5Ba%5D_T.tar'])
		assert.ok(shapes.includes(name), `${name} in ${shapes.join(' ')}`);
});

test('in {dbname} directories nothing leaves the base; each is purged by itself', async () => {
	const base = scratchDirectory('names');
	const run = () =>
		runProgram([...connectTo(server, join(base, '{dbname}')), '--dump-only', '-P', '0', 'a/b', 'a_b', '..', '.hidden']);
	const first = await run();
	assert.equal(first.code, 0, first.stderr);
	const seconds = new Set(filesIn(base).map(name => name.split('_2')[1]));
	const end = Math.floor(Date.now() / 1000);
	await waitFor(async () => Math.floor(Date.now() / 1000) > end, 'the next second');
	const second = await run();
	assert.equal(second.code, 0, second.stderr);
	assert.ok(seconds.size > 0);
	assert.deepEqual(
		readdirSync(base)
			.filter(name => !name.startsWith('pg_back'))
			.sort(),
		['%2E.', '%2Ehidden', 'a%2Fb', 'a_b'],
	);
	for (const name of ['%2E.', '%2Ehidden', 'a%2Fb', 'a_b'])
		assert.equal(readdirSync(join(base, name)).filter(file => file.endsWith('.dump')).length, 1, name);
});

test('createdb.sql of every name makes it again', async () => {
	const directory = scratchDirectory('names');
	const run = await runProgram([...connectTo(server, directory), '-F', 'p', '-j', '4', '-D', 'postgres']);
	assert.equal(run.code, 0, run.stderr);
	const second = await startCluster({name: 'names2'});
	try {
		const scripts = readdirSync(directory).filter(name => name.endsWith('.createdb.sql'));
		assert.equal(scripts.length, names.length);
		const args = [
			'-Xqw',
			'-v',
			'ON_ERROR_STOP=1',
			'-d',
			second.connectionString('postgres'),
			...scripts.flatMap(name => ['-f', join(directory, name)]),
		];
		execFileSync(join(clientDirectory(), 'psql'), args, {env: cleanEnvironment, stdio: 'ignore'});
		const list = (cluster: Cluster) =>
			cluster.psql(
				'postgres',
				`select json_agg(datname order by datname collate "C") from pg_database where datname <> 'postgres' and not datistemplate`,
			);
		assert.equal(await list(second), await list(server));
	} finally {
		await second.stop();
	}
});
