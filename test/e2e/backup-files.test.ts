/** Which files a backup leaves, how they are called, who may read them and when, and what the checksum files say. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync, statSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {
	connectTo,
	filesIn,
	modeOf,
	newAgeKeys,
	runProgram,
	scratchDirectory,
	shapesIn,
	withoutTime,
} from '../helpers/program.js';
import {needsStrace, traced} from '../helpers/strace.js';

let server: Cluster;
let keys: Awaited<ReturnType<typeof newAgeKeys>>;

before(async () => {
	keys = await newAgeKeys();
	server = await startCluster({name: 'files'});
	await server.psql('postgres', 'create database a; create database b');
	await server.psql('a', 'create table one as select 1 as i; create table two as select 2 as i');
});
after(async () => server.stop());

async function backup(directory: string, args: readonly string[], options = {}) {
	const run = await runProgram([...connectTo(server, directory), ...args], options);
	assert.equal(run.code, 0, run.stderr);
	return run;
}

function checkSums(directory: string, algorithm: string): number {
	const lists = filesIn(directory).filter(name => name.endsWith(`.${algorithm}`));
	for (const list of lists) {
		const cwd = join(directory, dirname(list));
		// Of an encrypted list the plain files are gone: only what is there can be checked.
		const text = execFileSync(`${algorithm}sum`, ['-c', join(directory, list)], {cwd, encoding: 'utf8'});
		assert.ok(!text.includes('FAILED'), text);
	}
	return lists.length;
}

describe('files of a dump', () => {
	const A = 'sha256';
	const single: readonly (readonly [name: string, args: readonly string[], files: readonly string[]])[] = [
		['nothing', [], ['X']],
		['checksum', ['-S', A], ['X', `X.${A}`]],
		['encrypted', ['--encrypt'], ['X.age']],
		['encrypted, source kept', ['--encrypt', '--encrypt-keep-src'], ['X', 'X.age']],
		['checksum, encrypted', ['--encrypt', '-S', A], ['X.age', `X.age.${A}`, `X.${A}.age`, `X.${A}.age.${A}`]],
		[
			'checksum, encrypted, source kept',
			['--encrypt', '--encrypt-keep-src', '-S', A],
			['X', `X.${A}`, 'X.age', `X.age.${A}`, `X.${A}.age`, `X.${A}.age.${A}`],
		],
	];
	const formats = {custom: ['a_T.dump'], plain: ['a_T.sql', 'a_T.createdb.sql']} as const;
	for (const [what, args, shapes] of single) {
		for (const [format, outputs] of Object.entries(formats)) {
			test(`${format}: ${what}`, async () => {
				const directory = scratchDirectory('files');
				// createdb.sql is left out by --dump-only.
				const special =
					format === 'plain' ? ['hba_file_T.out', 'ident_file_T.out', 'pg_globals_T.sql', 'pg_settings_T.out'] : [];
				const only = format === 'plain' ? [] : ['--dump-only'];
				await backup(directory, [
					...only,
					'-F',
					format,
					...args,
					...(args.includes('--encrypt') ? ['--cipher-public-key', keys.recipient] : []),
					'a',
				]);
				const expected = [...outputs, ...special].flatMap(name => shapes.map(shape => shape.replace('X', name)));
				assert.deepEqual(shapesIn(directory), expected.sort());
				if (shapes.includes(`X.${A}`) || shapes.includes(`X.age.${A}`)) assert.ok(checkSums(directory, A) > 0);
			});
		}
	}

	test('directory: nothing, checksum, encrypted, both', async () => {
		const members = ['a_T.d', 'a_T.d/N.dat.gz', 'a_T.d/N.dat.gz', 'a_T.d/toc.dat'];
		const sealed = ['a_T.d', 'a_T.d/N.dat.gz.age', 'a_T.d/N.dat.gz.age', 'a_T.d/toc.dat.age'];
		const numberless = (directory: string) => shapesIn(directory).map(name => name.replace(/\d+\.dat/, 'N.dat'));
		const encrypt = ['--encrypt', '--cipher-public-key', keys.recipient];
		const expectations: readonly (readonly [readonly string[], readonly string[]])[] = [
			[[], members],
			[
				['-S', 'sha256'],
				[...members, 'a_T.d.sha256'],
			],
			[encrypt, sealed],
			[
				[...encrypt, '-S', 'sha256'],
				[...sealed, 'a_T.d.age.sha256', 'a_T.d.sha256.age', 'a_T.d.sha256.age.sha256'],
			],
		];
		for (const [args, expected] of expectations) {
			const directory = scratchDirectory('files');
			await backup(directory, ['--dump-only', '-F', 'd', '-J', '2', ...args, 'a']);
			assert.deepEqual(numberless(directory).sort(), [...expected].sort(), args.join(' '));
			if (args.includes('-S')) assert.ok(checkSums(directory, 'sha256') > 0);
		}
	});

	for (const algorithm of ['sha1', 'sha224', 'sha384', 'sha512']) {
		test(`${algorithm}sum -c accepts the checksum files, from where they are`, async () => {
			const directory = scratchDirectory('files');
			await backup(directory, ['-S', algorithm, '-F', 'd', '--encrypt', '--cipher-public-key', keys.recipient, 'a']);
			// of five outputs, two lists in the open each
			assert.equal(checkSums(directory, algorithm), 10);
			const plain = scratchDirectory('files');
			await backup(plain, ['-S', algorithm, '-F', 'c', 'a', 'b']);
			assert.equal(checkSums(plain, algorithm), 6);
			const list = filesIn(plain).find(name => name.endsWith(algorithm)) ?? '';
			assert.match(readFileSync(join(plain, list), 'utf8'), /^[0-9a-f]+ {2}[^/]+\n$/);
		});
	}
});

describe('names', () => {
	test('--uniform-timestamp: one time in all names', async () => {
		const directory = scratchDirectory('files');
		await backup(directory, ['--uniform-timestamp']);
		const times = new Set(filesIn(directory).map(name => /_(\d{4}-[\dT:Z-]+)/.exec(name)?.[1]));
		assert.equal(times.size, 1, [...times].join(' '));
		assert.deepEqual(shapesIn(directory), [
			'a_T.dump',
			'b_T.dump',
			'hba_file_T.out',
			'ident_file_T.out',
			'pg_globals_T.sql',
			'pg_settings_T.out',
			'postgres_T.dump',
		]);
	});

	test('timestamps: RFC 3339 in the local zone, legacy ones by the configuration', async () => {
		const zoned = scratchDirectory('files');
		await backup(zoned, ['--dump-only', 'a'], {env: {TZ: 'Asia/Kolkata'}});
		assert.match(filesIn(zoned)[0] ?? '', /^a_\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+05:30\.dump$/);
		const legacy = scratchDirectory('files');
		const configuration = join(scratchDirectory('conf'), 'legacy.conf');
		writeFileSync(configuration, 'timestamp_format = legacy\n');
		const [, ...rest] = connectTo(server, legacy);
		const run = await runProgram(['-c', configuration, ...rest, '--dump-only', 'a']);
		assert.equal(run.code, 0, run.stderr);
		assert.match(filesIn(legacy)[0] ?? '', /^a_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.dump$/);
	});

	test('{dbname} in the backup directory: a directory for each output, for their owner alone', async () => {
		const base = scratchDirectory('files');
		await backup(join(base, 'x/{dbname}/y'), ['-S', 'sha256', 'a', 'b'], {umask: '000'});
		assert.deepEqual(
			shapesIn(join(base, 'x')).filter(name => /^(a|pg_globals)\b/.test(name)),
			[
				'a',
				'a/y',
				'a/y/a_T.dump',
				'a/y/a_T.dump.sha256',
				'pg_globals',
				'pg_globals/y',
				'pg_globals/y/pg_globals_T.sql',
				'pg_globals/y/pg_globals_T.sql.sha256',
			],
		);
		for (const name of ['x', 'x/a', 'x/a/y', 'x/pg_globals']) assert.equal(modeOf(join(base, name)), '700');
	});

	test('two runs in the same second do not touch each other’s files', async () => {
		const directory = scratchDirectory('files');
		const runs = await Promise.all([
			backup(directory, ['--dump-only', 'a']),
			backup(directory, ['--dump-only', 'b']),
			backup(directory, ['-j', '3', 'postgres']),
		]);
		assert.equal(runs.length, 3);
		await backup(directory, ['--dump-only', 'a']);
		await backup(directory, ['--dump-only', 'a']);
		assert.equal(shapesIn(directory).filter(name => name === 'a_T.dump').length, 3);
	});
});

describe('modes', () => {
	const modesOf = (directory: string) =>
		Object.fromEntries(
			filesIn(directory, {manifests: true}).map(name => [withoutTime(name), modeOf(join(directory, name))]),
		);
	const all = (modes: Record<string, string>, pattern: RegExp) =>
		new Set(Object.entries(modes).flatMap(([name, mode]) => (pattern.test(name) ? [mode] : [])));

	for (const [option, file, directory] of [
		[[], '600', '700'],
		[['-m', '0640'], '640', '750'],
		[['-m', '0444'], '444', '555'],
		[['-m', '0'], '600', '700'],
		[['-m', '-1'], '600', '700'],
	] as const) {
		test(`umask 000, ${option.join(' ') || 'no option'}: files ${file}, directories ${directory}`, async () => {
			const out = scratchDirectory('files');
			await backup(out, ['-F', 'd', '-S', 'sha256', ...option], {umask: '000'});
			const modes = modesOf(out);
			assert.deepEqual([...all(modes, /^(?!.*\.d$)/)], [file], JSON.stringify(modes));
			assert.deepEqual([...all(modes, /\.d$/)], [directory]);
			const sealed = scratchDirectory('files');
			await backup(
				sealed,
				[
					'-F',
					'p',
					'-S',
					'sha256',
					'--encrypt',
					'--encrypt-keep-src',
					'--cipher-public-key',
					keys.recipient,
					...option,
					'a',
				],
				{umask: '000'},
			);
			assert.deepEqual([...all(modesOf(sealed), /./)], [file]);
		});
	}

	test('a stricter umask of the caller’s stays where modes are left to it', async () => {
		const directory = scratchDirectory('files');
		await backup(directory, ['-m', '0', '--dump-only', 'a'], {umask: '277'});
		assert.equal(modeOf(join(directory, filesIn(directory)[0] ?? '')), '400');
	});

	test(
		'from the first byte nobody else may read, and nothing is written under a final name (11.2.19)',
		needsStrace,
		async () => {
			for (const format of ['c', 'd', 'p']) {
				const directory = scratchDirectory('files');
				const trace = join(scratchDirectory('trace'), 'calls');
				await backup(directory, ['-F', format, '-S', 'sha1', 'a'], {
					umask: '000',
					wrapper: traced(trace, 'openat,open,creat,mkdir,mkdirat', {length: 4096}),
				});
				const created = readFileSync(trace, 'utf8')
					.split('\n')
					.filter(line => line.includes(directory) && /O_CREAT|mkdir/.test(line) && !/= -1 /.test(line));
				assert.ok(created.length >= 5, created.join('\n'));
				const seen = new Set<string>();
				for (const call of created) {
					const path = /"([^"]+)"/.exec(call)?.[1] ?? '';
					// pg_dump opens again, as if it might be missing, the file that we made
					if (seen.has(path)) continue;
					seen.add(path);
					assert.match(path.slice(directory.length), /^\/\.pg_back-|^\/\w+\.lock$/, call);
					// pg_dump asks for 0666 and 0700 and has our umask
					if (!/\.part\//.test(path)) assert.match(call, /, 0[67]00\b/, call);
				}
			}
		},
	);

	test('files that were there keep their mode, a missing backup directory is made for its owner', async () => {
		const directory = join(scratchDirectory('files'), 'new/er');
		await backup(directory, ['--dump-only', 'a'], {umask: '022'});
		assert.equal(modeOf(directory), '700');
		assert.ok(statSync(join(directory, filesIn(directory)[0] ?? '')).size > 0);
	});
});
