/**
 * R11: PostgreSQL's own regression database, dumped and restored in the four formats, plain and encrypted, and compared
 * by a drill and, column by column, by the sweep. Needs PostgreSQL's source, which Debian has as a source package of
 * the same version.
 */
import {execFile} from 'node:child_process';
import {chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {clientDirectory, type Cluster, psql, startCluster} from '../../test/helpers/cluster.js';
import {connectTo, newAgeKeys, runProgram, scratchDirectory} from '../../test/helpers/program.js';
import type {Figure} from './sweep.js';

const run = promisify(execFile);
const big = {maxBuffer: 1 << 28};

export async function regressionSweep(): Promise<Figure> {
	const goal = {goal: 'R11', what: 'errors and differences of the regression database, 4 formats, plain and encrypted'};
	const skip = (reason: string): Figure => ({...goal, total: 0, violations: [], notes: {'skipped:': reason}});
	if (process.getuid?.() !== 0) return skip('only root can install what the source needs');
	const work = scratchDirectory('regress');
	chmodSync(work, 0o755);
	let regress: string;
	try {
		regress = await buildRegress(work);
	} catch (error) {
		return skip(`the source cannot be had or built: ${String(error).split('\n')[0] ?? ''}`);
	}
	const server = await startCluster({
		name: 'regress',
		settings: {max_connections: '60', wal_level: 'replica', max_prepared_transactions: '10'},
	});
	try {
		const failed = await fill(server, regress, work);
		return {...goal, ...(await circles(server)), notes: {'regression tests that failed': failed}};
	} finally {
		await server.stop();
	}
}

/** The directory of src/test/regress, built. */
async function buildRegress(work: string): Promise<string> {
	const version = (await run('dpkg-query', ['-W', '-f', '${source:Version}', 'postgresql-15'])).stdout.trim();
	// With separate package lists: the system's are not changed.
	const apt = join(work, 'apt');
	mkdirSync(join(apt, 'partial'), {recursive: true});
	writeFileSync(join(work, 'sources.sources'), sourceEntries());
	const options = [
		...[
			'-o',
			`Dir::Etc::sourcelist=${join(work, 'sources.sources')}`,
			'-o',
			'Dir::Etc::sourceparts=-',
			'-o',
			`Dir::State::lists=${apt}`,
		],
		...['-o', 'APT::Sandbox::User=root', '-qq'],
	];
	await run('apt-get', [...options, 'update'], big);
	await run('apt-get', [...options, 'source', '--download-only', `postgresql-15=${version}`], {...big, cwd: work});
	const archive = readdirSync(work).find(name => /\.orig\.tar\.\w+$/.test(name));
	if (archive === undefined) throw new Error('no source archive came');
	const source = join(work, 'source');
	mkdirSync(source);
	await run('tar', ['-xf', archive, '-C', source, '--strip-components=1'], {cwd: work});
	await run('./configure', ['--quiet', '--without-readline', '--without-zlib', '--without-icu'], {
		...big,
		cwd: source,
	}).catch(() => run('./configure', ['--quiet', '--without-readline', '--without-zlib'], {...big, cwd: source}));
	await run('make', ['-s', '-j2', '-C', 'src/backend', 'generated-headers'], {...big, cwd: source});
	await run('make', ['-s', '-j2', '-C', 'src/port'], {...big, cwd: source});
	await run('make', ['-s', '-j2', '-C', 'src/common'], {...big, cwd: source});
	await run('make', ['-s', '-j2', '-C', 'src/test/regress', 'pg_regress', 'regress.so'], {...big, cwd: source});
	return join(source, 'src/test/regress');
}

/** Returns the system's package sources, as sources of source packages. */
function sourceEntries(): string {
	const directory = '/etc/apt/sources.list.d';
	const files = readdirSync(directory).filter(name => name.endsWith('.sources'));
	return files
		.map(name => readFileSync(join(directory, name), 'utf8').replaceAll(/^Types:.*$/gm, 'Types: deb-src'))
		.join('\n');
}

async function fill(server: Cluster, regress: string, work: string): Promise<number> {
	const output = join(work, 'output');
	mkdirSync(output);
	chmodSync(output, 0o777);
	await psql(server.connectionString('postgres'), 'create database regression');
	await psql(
		server.connectionString('postgres'),
		"alter database regression set lc_messages to 'C'; alter database regression set lc_monetary to 'C'; alter database regression set lc_numeric to 'C'; alter database regression set lc_time to 'C'; alter database regression set bytea_output to 'hex'; alter database regression set timezone_abbreviations to 'Default'",
	);
	const args = [
		...[
			'--inputdir',
			regress,
			'--outputdir',
			output,
			'--dlpath',
			regress,
			'--bindir',
			clientDirectory(server.major),
			'--use-existing',
			'--dbname',
			'regression',
		],
		...[
			'--host',
			server.socketDirectory,
			'--port',
			String(server.port),
			'--user',
			'postgres',
			'--schedule',
			join(regress, 'parallel_schedule'),
			'--max-concurrent-tests',
			'20',
		],
	];
	const result = await run(join(regress, 'pg_regress'), args, {...big, env: {...process.env, LC_ALL: 'C'}}).catch(
		(error: unknown) => error as {stdout: string},
	);
	return (result.stdout.match(/(^|\.\.\. )(FAILED|not ok)/gm) ?? []).length;
}

async function circles(server: Cluster): Promise<{total: number; violations: string[]}> {
	const violations: string[] = [];
	const keys = await newAgeKeys();
	const home = scratchDirectory('regress-run');
	const config = join(home, 'pg_back.conf');
	const identity = join(home, 'identity');
	writeFileSync(identity, keys.identity, {mode: 0o600});
	writeFileSync(config, `record_contents = exact\ncipher_identity_file = ${identity}\n`, {mode: 0o600});
	let total = 0;
	const drillServer = await startCluster({name: 'regress2', settings: {max_connections: '60'}});
	const original = await contentOf(server.connectionString('regression'));
	try {
		for (const format of ['plain', 'custom', 'tar', 'directory']) {
			for (const cipher of [[], ['--encrypt', '--cipher-public-key', keys.recipient]]) {
				total++;
				const label = `${format}${cipher.length > 0 ? ', encrypted' : ''}`;
				const directory = join(home, String(total));
				const [, ...connection] = connectTo(server, directory);
				const backup = await runProgram(['-c', config, ...connection, '-F', format, ...cipher, 'regression']);
				if (backup.code !== 0)
					violations.push(`${label}: the backup ended with ${backup.code}: ${backup.stderr.slice(-500)}`);
				const drill = await runProgram(['-c', config, '-b', directory, '--restore-drill']);
				if (drill.code !== 0)
					violations.push(
						`${label}: the drill ended with ${drill.code}: ${drill.stderr
							.split('\n')
							.filter(line => /ERROR|FATAL/.test(line))
							.slice(0, 5)
							.join(' ')}`,
					);
				if (
					!/regression: restored into .*: [\d\s]+ objects and [\d\s]+ rows in [\d\s]+ tables are as in the dump; the rows of [\d\s]+ tables and the schema are as recorded$/m.test(
						drill.stderr,
					)
				)
					violations.push(`${label}: the drill did not compare all`);
				if (cipher.length > 0 || format !== 'custom') continue;
				// Compares every row itself once, by the names of the columns.
				const dump = readdirSync(directory).find(name => name.startsWith('regression_')) ?? '';
				await run(join(clientDirectory(server.major), 'pg_dumpall'), [
					'-g',
					'-f',
					join(home, 'globals.sql'),
					'-d',
					server.connectionString('postgres'),
				]);
				await run(
					join(clientDirectory(server.major), 'psql'),
					['-Xq', '-d', drillServer.connectionString('postgres'), '-f', join(home, 'globals.sql')],
					big,
				);
				await run(
					join(clientDirectory(server.major), 'pg_restore'),
					['-C', '-d', drillServer.connectionString('postgres'), join(directory, dump)],
					big,
				);
				const restored = await contentOf(drillServer.connectionString('regression'));
				for (const [table, digest] of original)
					if (restored.get(table) !== digest) violations.push(`${label}: ${table} differs`);
			}
		}
	} finally {
		await drillServer.stop();
	}
	return {total, violations};
}

/** Returns a checksum of each table's rows: the columns by name, the rows sorted by their text. */
async function contentOf(connectionString: string): Promise<ReadonlyMap<string, string>> {
	const list = await psql(
		connectionString,
		`select format('select %L, md5(coalesce(string_agg(r, E''\\n'' order by r collate "C"), '''')) from (select array_to_string(array[%s], ''|'') as r from only %I.%I) as x;',
			n.nspname || '.' || c.relname,
			(select coalesce(string_agg(format('coalesce(%I::text, ''\\N'')', attname), ', ' order by attname collate "C"), '''1''') from pg_attribute a where a.attrelid = c.oid and attnum > 0 and not attisdropped),
			n.nspname, c.relname)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where relkind = 'r' and relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`,
	);
	// In pieces: psql would exit before it has read all of it if a statement failed.
	const statements = list.split('\n');
	let text = '';
	for (let start = 0; start < statements.length; start += 50)
		text += `${await psql(connectionString, statements.slice(start, start + 50).join('\n'))}\n`;
	return new Map(
		text
			.trim()
			.split('\n')
			.map(line => line.split('|') as [string, string]),
	);
}
