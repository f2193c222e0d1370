/** The purge at the end of a backup: what goes, what stays and why, and what a failure leaves alone. */
import assert from 'node:assert/strict';
import {chownSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, runProgram, scratchDirectory} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'purge'});
	await server.psql('postgres', 'create database a; create database b');
});
after(async () => server.stop());

const day = 86_400_000;
const start = Date.now();
/** The same for the same number of days, however long a test takes. */
const stamp = (daysAgo: number) => new Date(start - daysAgo * day).toISOString().replace(/\.\d+/, '');

/** Dumps of a and b, 1, 10, 40 and 400 days old, and globals of the same. */
function oldDumps(): string {
	const directory = scratchDirectory('purge');
	for (const days of [1, 10, 40, 400]) {
		for (const name of ['a', 'b']) {
			writeFileSync(join(directory, `${name}_${stamp(days)}.dump`), `${days}`);
			writeFileSync(join(directory, `${name}_${stamp(days)}.dump.sha256`), '');
		}
		writeFileSync(join(directory, `pg_globals_${stamp(days)}.sql`), `${days}`);
	}
	return directory;
}

/** Days of age of the dumps that are there of `name`, this run's as 0. */
function agesOf(directory: string, name: string): number[] {
	return readdirSync(directory)
		.filter(file => file.startsWith(`${name}_`) && /\.(dump|sql)$/.test(file))
		.map(file => Math.round((Date.now() - Date.parse(file.slice(name.length + 1).replace(/\.\w+$/, ''))) / day))
		.filter(days => !Number.isNaN(days))
		.sort((x, y) => x - y);
}

const run = (directory: string, args: readonly string[]) =>
	runProgram([...connectTo(server, directory), '-v', ...args]);

describe('by age and number', () => {
	for (const [args, ages] of [
		[[], [0, 1, 10]],
		[
			['-P', '5'],
			[0, 1],
		],
		[['-P', '0'], [0]],
		[
			['-P', '36h'],
			[0, 1],
		],
		[
			['-P', '5', '-K', '3'],
			[0, 1, 10],
		],
		[
			['-P', '0', '-K', 'all'],
			[0, 1, 10, 40, 400],
		],
		[
			['-P', '9999999'],
			[0, 1, 10, 40, 400],
		],
		[['-P', '-1h'], []],
	] as const) {
		test(args.join(' ') || 'by default, 30 days', async () => {
			const directory = oldDumps();
			const ended = await run(directory, [...args, 'a', 'b']);
			assert.equal(ended.code, 0, ended.stderr);
			for (const name of ['a', 'b', 'pg_globals']) assert.deepEqual(agesOf(directory, name), ages, name);
			assert.equal(
				readdirSync(directory).filter(name => name.endsWith('.sha256')).length,
				2 * ages.filter(age => age > 0).length,
			);
			if (ages.length === 3) assert.match(ended.stderr, /INFO: removing .*a_\S+\.dump: .+\n/);
			if (ages.length > 0) assert.match(ended.stderr, /DEBUG: keeping .*a_\S+\.dump: .+\n/);
		});
	}

	test('of its own for a database, by its section', async () => {
		const directory = oldDumps();
		const file = join(scratchDirectory('conf'), 'x.conf');
		writeFileSync(file, '[a]\npurge_older_than = 0\n[b]\npurge_min_keep = all\n');
		const ended = await runProgram(['-c', file, ...connectTo(server, directory).slice(1), 'a', 'b']);
		assert.equal(ended.code, 0, ended.stderr);
		assert.deepEqual(
			[agesOf(directory, 'a'), agesOf(directory, 'b'), agesOf(directory, 'pg_globals')],
			[[0], [0, 1, 10, 40, 400], [0, 1, 10]],
		);
	});

	test('--dump-only leaves the others alone; databases that were not dumped too', async () => {
		const directory = oldDumps();
		assert.equal((await run(directory, ['--dump-only', '-P', '0', 'a'])).code, 0);
		assert.deepEqual(agesOf(directory, 'b'), [1, 10, 40, 400]);
		assert.deepEqual(agesOf(directory, 'pg_globals'), [1, 10, 40, 400]);
	});
});

test('11.1.15 a failed database: its own dumps stay, those of the others are purged', async () => {
	const directory = oldDumps();
	const tools = recordingTools({pg_dump: `case "$*" in *dbname=a\\ *) exit 1;; *) exec "$REAL" "$@";; esac`});
	const ended = await run(directory, ['-P', '0', '-B', tools.directory, 'a', 'b']);
	assert.equal(ended.code, 1, ended.stderr);
	assert.deepEqual(agesOf(directory, 'a'), [1, 10, 40, 400]);
	assert.deepEqual(agesOf(directory, 'b'), [0]);
	assert.deepEqual(agesOf(directory, 'pg_globals'), [0]);
});

test('11.1.7 failed dumps, run after run, never push out a good one', async () => {
	const directory = oldDumps();
	const tools = recordingTools({pg_dump: 'echo half; exit 1'});
	for (let i = 0; i < 3; i++)
		assert.equal((await run(directory, ['-P', '0', '-K', '2', '-B', tools.directory, 'a'])).code, 1);
	assert.deepEqual(agesOf(directory, 'a'), [1, 10, 40, 400]);
});

test('11.1.3, 11.1.11 what people put there stays: other suffixes, no suffix, directories, other names', async () => {
	const directory = oldDumps();
	const old = stamp(400);
	const kept = [
		`a_${old}.dump.keep`,
		`a_${old}.draft`,
		`a_${old}.tar.gz`,
		`a_${old}.sql.orig`,
		`a_${old}`,
		`a_x_${old}.dump`,
		`a_${old}.docx`,
		'a_notes.dump',
		`c_${old}.dump`,
		`aa_${old}.dump`,
	];
	for (const name of kept) writeFileSync(join(directory, name), '');
	mkdirSync(join(directory, `a_${old}.data`));
	mkdirSync(join(directory, `a_${stamp(401)}.d`));
	writeFileSync(join(directory, `a_${stamp(401)}.d/toc.dat`), '');
	assert.equal((await run(directory, ['-P', '0', 'a', 'b'])).code, 0);
	const names = filesIn(directory);
	for (const name of [...kept, `a_${old}.data`]) assert.ok(names.includes(name), name);
	assert.ok(!names.includes(`a_${stamp(401)}.d`), 'an old directory dump goes');
	// The odd names that end in .dump or .sql have no time that agesOf() reads.
	assert.deepEqual(agesOf(directory, 'a'), [0]);
});

test('11.1.16 what cannot be removed is said, all else is, exit 1', async context => {
	if (process.getuid?.() !== 0) return context.skip('only root can make files that it may not remove');
	const base = mkdtempSync(join(scratchDirectory('purge'), 'x-'));
	const directory = join(base, '{dbname}');
	for (const name of ['a', 'b']) {
		mkdirSync(join(base, name));
		chownSync(join(base, name), 65_534, 65_534);
		writeFileSync(join(base, name, `${name}_${stamp(99)}.dump`), '');
		chownSync(join(base, name, `${name}_${stamp(99)}.dump`), 65_534, 65_534);
	}
	// Members that an unprivileged user may not remove, in a dump of its own.
	for (const days of [97, 98]) {
		const members = join(base, 'a', `a_${stamp(days)}.d`, 'blobs');
		mkdirSync(members, {recursive: true});
		writeFileSync(join(members, 'toc.dat'), '');
		chownSync(join(members, '..'), 65_534, 65_534);
	}
	chownSync(base, 65_534, 65_534);
	const ended = await runProgram([...connectTo(server, directory), '--dump-only', '-P', '0', 'a', 'b'], {
		wrapper: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'],
	});
	assert.equal(ended.code, 1, ended.stderr);
	assert.equal(ended.stderr.match(/ERROR: .*a_\S+\.d.*permission denied/g)?.length, 2, ended.stderr);
	assert.deepEqual(
		readdirSync(join(base, 'b')).filter(name => name.includes(stamp(99).slice(0, 10))),
		[],
	);
	return undefined;
});

test('--dry-run removes nothing and says what would go', async () => {
	const directory = oldDumps();
	const before = filesIn(directory, {manifests: true});
	const ended = await runProgram([
		...connectTo(server, directory),
		'--dry-run',
		'-P',
		'5',
		'--pre-backup-hook',
		`touch ${join(directory, 'hooked')}`,
		'a',
		'b',
	]);
	assert.equal(ended.code, 0, ended.stderr);
	assert.deepEqual(filesIn(directory, {manifests: true}), before);
	assert.match(ended.stdout, /^to remove from \/\S+, 15 files:$/m);
	assert.ok(ended.stdout.includes(`a_${stamp(400).slice(0, 10)}`));
});
