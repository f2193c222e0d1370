/** Backup after backup in one process, as in a console: each is good, and none leaves a file open. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {backupsInProcess} from '../helpers/backups-in-process.js';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, newAgeKeys, scratchDirectory} from '../helpers/program.js';
import {configFile, startS3Place} from './remote-places.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'again'});
	await server.psql('postgres', 'create database app');
	await server.psql('app', `create table large as select g, repeat('x', 200) as t from generate_series(1, 10000) g`);
});
after(() => server.stop());

/** Makes `count` backups of app with these settings; the open files after each must not grow by more than `spare`. */
async function backups(directory: string, lines: readonly string[], count: number, spare = 0): Promise<void> {
	const [, ...connection] = connectTo(server, directory);
	const open: number[] = [];
	await backupsInProcess(['-c', configFile(lines), ...connection, '--dump-only', 'app'], count, () =>
		open.push(readdirSync('/proc/self/fd').length),
	);
	const [first = 0, ...later] = open;
	for (const opened of later) assert.ok(opened <= first + spare, `open files after each: ${open.join(', ')}`);
}

const isDump = (name: string) => /(?:^|\/)app_[^/]*\.dump$/.test(name);
const contentsOf = (path: string) =>
	execFileSync(join(clientDirectory(), 'pg_restore'), ['-l', path], {encoding: 'utf8'});

test('encrypted, into the backup directory', async () => {
	const directory = scratchDirectory('again');
	const {recipient} = await newAgeKeys();
	await backups(directory, ['encrypt = yes', `cipher_public_key = ${recipient}`, 'purge_older_than = 365'], 5);
	assert.equal(filesIn(directory).filter(name => /^app_.*\.dump\.age$/.test(name)).length, 5);
});

test('streamed to another place, without a local copy', async () => {
	const [directory, store] = [scratchDirectory('again'), scratchDirectory('store')];
	const lines = ['upload = local', `local_directory = ${store}`, 'local_copy = no', 'checksum_algorithm = sha256'];
	await backups(directory, lines, 2);
	assert.deepEqual(filesIn(directory), []);
	const dumps = filesIn(store).filter(isDump);
	assert.equal(dumps.length, 2);
	for (const name of dumps) assert.match(contentsOf(join(store, name)), /TABLE DATA public large /);
});

test('to several places', async () => {
	const [directory, store] = [scratchDirectory('again'), scratchDirectory('store')];
	const s3 = await startS3Place({});
	try {
		await backups(directory, [...s3.settings, 'upload = s3, local', `local_directory = ${store}`], 2);
		const far = (await s3.keys()).filter(isDump);
		assert.equal(far.length, 2);
		assert.equal(filesIn(store).filter(isDump).length, 2);
		const path = join(scratchDirectory('fetched'), 'app.dump');
		writeFileSync(path, await s3.read(far[0] ?? ''));
		assert.match(contentsOf(path), /TABLE DATA public large /);
	} finally {
		await s3.stop();
	}
});

test('with a table that several sessions read', async () => {
	const directory = scratchDirectory('again');
	const lines = ['format = directory', 'parallel_backup_jobs = 3', 'split_tables_larger_than = 200K'];
	// Pipes are made four at a time: three, with two ends each, may be left for the next backup.
	await backups(directory, lines, 5, 6);
	const dumps = readdirSync(directory).filter(name => /^app_.*\.d$/.test(name));
	assert.equal(dumps.length, 5);
	for (const name of dumps) {
		const parts = contentsOf(join(directory, name)).match(/TABLE DATA public large /g) ?? [];
		assert.ok(parts.length > 1, 'one entry for each range of the table');
	}
});
