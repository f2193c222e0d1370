/** Pinned runs: no purge takes them, here and at the remote, until they are unpinned. */
import assert from 'node:assert/strict';
import {chmodSync, chownSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, nextSecond, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';
import {s3Backup, withServer} from './remote-s3.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'pin'});
	await server.psql('postgres', 'create database a; create database b');
});
after(async () => server.stop());

type Setup = {
	readonly directory: string;
	readonly store: string;
	readonly pg: (...args: readonly string[]) => Promise<Ended>;
};

/** A run of two databases, here and in another directory as the remote. */
async function oneRun(): Promise<Setup & {readonly id: string; readonly stem: string}> {
	const directory = scratchDirectory('pin');
	const store = scratchDirectory('pin-store');
	const pg = async (...args: readonly string[]) => {
		await nextSecond();
		return runProgram([...connectTo(server, directory), '--local-directory', store, '--upload', 'local', ...args], {
			env: {LOGNAME: 'dba'},
		});
	};
	succeeded(await pg('a', 'b'));
	const manifest = readdirSync(directory).find(name => name.endsWith('.manifest.json')) ?? '';
	const {runId} = JSON.parse(readFileSync(join(directory, manifest), 'utf8')) as {runId: string};
	return {directory, store, pg, id: runId, stem: manifest.replace('.manifest.json', '')};
}

const purge = ['-P', '0', '--purge-remote', 'yes', 'a', 'b'] as const;
const dumps = (directory: string) => readdirSync(directory).filter(name => /^[ab]_.*\.dump$/.test(name)).length;

test('a pinned run stays at both places, said with who and why, until it is unpinned', async () => {
	const {directory, store, pg, id, stem} = await oneRun();
	const files = readdirSync(directory).filter(name => !name.startsWith('.'));
	const pinned = succeeded(await pg('--pin', id.slice(0, 8), '--reason', 'before the migration'));
	assert.equal(pinned.stderr.match(/INFO: run .* is pinned by dba: before the migration/g)?.length, 2);
	for (const place of [directory, store]) assert.ok(existsSync(join(place, `${stem}.pinned.json`)));
	const dry = succeeded(await pg('--dry-run', ...purge));
	assert.match(dry.stdout, /pinned by dba: before the migration/);
	const run = succeeded(await pg('-v', ...purge));
	assert.match(run.stderr, /pinned by dba: before the migration/);
	for (const place of [directory, store]) {
		for (const name of files) assert.ok(existsSync(join(place, name)) || name.startsWith('hba_'), name);
		assert.equal(dumps(place), 4);
	}
	const listed = succeeded(await pg('--list-remote', 'local', '--long'));
	const lines = listed.stdout.split('\n').filter(line => line.includes('pinned by dba: before the migration'));
	assert.ok(lines.some(line => / a_.*\.dump /.test(line)) && lines.some(line => line.includes('.manifest.json')));
	assert.ok(listed.stdout.split('\n').some(line => line.includes('.dump') && !line.includes('pinned')));
	// A second purge has the run before it to remove.
	succeeded(await pg(...purge));
	assert.equal(dumps(directory), 4);
	const unpinned = succeeded(await pg('--unpin', stem.replace('pg_back_', '')));
	assert.equal(unpinned.stderr.match(/INFO: unpinned run/g)?.length, 2);
	succeeded(await pg(...purge));
	for (const place of [directory, store]) {
		assert.equal(dumps(place), 2);
		assert.ok(!readdirSync(place).some(name => name.startsWith(stem) || name.endsWith('.pinned.json')));
	}
});

test('no purge takes a pinned run, whatever its policy', async () => {
	const {directory, pg, id} = await oneRun();
	succeeded(await pg('--pin', `${id}@backup`));
	succeeded(await pg('-P', '-1', 'a', 'b'));
	assert.equal(dumps(directory), 2);
});

test('a pin that is damaged, or whose manifest is, still keeps the run', async () => {
	const {directory, pg, id, stem} = await oneRun();
	succeeded(await pg('--pin', id));
	writeFileSync(join(directory, `${stem}.manifest.json`), '{}');
	succeeded(await pg(...purge));
	assert.equal(dumps(directory), 4);
	const second = await oneRun();
	succeeded(await second.pg('--pin', second.id));
	writeFileSync(join(second.directory, `${second.stem}.pinned.json`), '{"schema": 1, "files": [');
	const run = succeeded(await second.pg(...purge));
	assert.match(run.stderr, /WARN: the pin .* is damaged: its run is kept/);
	assert.equal(dumps(second.directory), 4);
	assert.match(succeeded(await second.pg('--unpin', second.id)).stderr, /the pin cannot be read/);
});

test('a pin of another user, or behind a link, does not count', async t => {
	if (process.getuid?.() !== 0) return t.skip('needs root to give a file away');
	for (const plant of ['owner', 'link']) {
		const {directory, pg, id, stem} = await oneRun();
		succeeded(await pg('--pin', `${id}@backup`));
		const path = join(directory, `${stem}.pinned.json`);
		if (plant === 'owner') chownSync(path, 65_534, 65_534);
		else {
			const text = readFileSync(path);
			const elsewhere = join(scratchDirectory('pin-elsewhere'), 'pin');
			writeFileSync(elsewhere, text);
			chmodSync(elsewhere, 0o644);
			rmSync(path);
			symlinkSync(elsewhere, path);
		}
		succeeded(await pg(...purge));
		assert.equal(dumps(directory), 2, plant);
	}
});

describe('what cannot be pinned', () => {
	test('is said, and changes nothing', async () => {
		const {directory, store, pg, id, stem} = await oneRun();
		for (const [args, code, text] of [
			[['--pin', 'nonsense'], 1, /there is no run nonsense at /],
			[['--unpin', id], 1, /is not pinned/],
			[['--pin', ''], 2, /--pin needs a value/],
			[['--swap-back', ''], 2, /--swap-back needs a value/],
			[['--pin', `${id}@mars`], 2, /there is no place mars/],
			[['--pin', `${id}@s3`], 10, /s3/],
			[['--reason', 'x'], 2, /--reason needs --pin/],
			[['--pin', id, '--unpin', id], 2, /cannot be used together/],
			[['--pin', id, '--reason', 'x'.repeat(501)], 2, /at most 500 characters/],
		] as const) {
			const ended = await pg(...args);
			assert.equal(ended.code, code, `${args.join(' ')}: ${ended.stderr}`);
			assert.match(ended.stderr, text);
		}
		await runProgram([...connectTo(server, directory), 'a']);
		const [first = ''] = stem.replace('pg_back_', '').split('T');
		const ambiguous = await pg('--pin', `${first}@backup`);
		assert.equal(ambiguous.code, 2, ambiguous.stderr);
		assert.match(ambiguous.stderr, /names 2 runs/);
		for (const place of [directory, store]) assert.ok(!readdirSync(place).some(name => name.endsWith('.pinned.json')));
	});

	test('twice: the first stays', async () => {
		const {directory, pg, id, stem} = await oneRun();
		succeeded(await pg('--pin', id, '--reason', 'first'));
		const again = succeeded(await pg('--pin', id, '--reason', 'second'));
		assert.match(again.stderr, /WARN: run .* is pinned by dba: first already/);
		assert.match(readFileSync(join(directory, `${stem}.pinned.json`), 'utf8'), /"reason": "first"/);
	});
});

test('an S3 service keeps the pin that was there first', async () => {
	await withServer({}, async ({server: {url}}) => {
		const directory = scratchDirectory('pin-s3');
		const pg = async (...args: readonly string[]) => {
			await nextSecond();
			return runProgram(s3Backup(server, url, directory, ['purge_remote = true'], args));
		};
		succeeded(await pg('a'));
		const manifest = readdirSync(directory).find(name => name.endsWith('.manifest.json')) ?? '';
		const time = manifest.replace('pg_back_', '').replace('.manifest.json', '');
		succeeded(await pg('--pin', `${time}@s3`, '--reason', 'first'));
		assert.match(
			succeeded(await pg('--pin', `${time}@s3`, '--reason', 'second')).stderr,
			/pinned by .*: first already/,
		);
		succeeded(await pg('-P', '0', 'a'));
		const listed = succeeded(await pg('--list-remote', 's3', '--json', 'a'));
		const objects = listed.stdout
			.trim()
			.split('\n')
			.map(line => JSON.parse(line) as {key: string; pinned?: string});
		assert.deepEqual(
			objects
				.filter(one => one.key.endsWith('.dump'))
				.map(one => /: first$/.test(one.pinned ?? ''))
				.sort(),
			[false, true],
		);
		succeeded(await pg('--unpin', `${time}@s3`));
		succeeded(await pg('-P', '0', 'a'));
		assert.equal(succeeded(await pg('--list-remote', 's3', 'a')).stdout.match(/\.dump$/gm)?.length, 1);
	});
});
