/** `--purge` as a command of its own, with rights that those who dump do not have. */
import assert from 'node:assert/strict';
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory} from '../helpers/program.js';
import {type S3Server, startS3Server} from '../helpers/s3-server.js';

const day = 86_400_000;
const at = (days: number) => new Date(Date.now() - days * day).toISOString().replace(/\.\d+Z$/, 'Z');
const dump = (database: string, days: number) => `${database}_${at(days)}.dump`;

function place(files: readonly string[]): string {
	const directory = scratchDirectory('purge');
	for (const name of files) writeFileSync(join(directory, name), 'dump');
	return directory;
}

const local = (directory: string) => ['--no-config-file', `--local-directory=${directory}`, '-P', '30'];

describe('purge', () => {
	test('removes what is older, at a remote and in the backup directory, and needs no server', async () => {
		const files = [
			dump('app', 1),
			dump('app', 20),
			dump('app', 40),
			`pg_globals_${at(1)}.sql`,
			`pg_globals_${at(50)}.sql`,
			'mine.txt',
		];
		const kept = [0, 1, 3, 5].map(index => files[index] ?? '').toSorted();
		for (const args of [
			(path: string) => [...local(path), '--purge', 'local'],
			(path: string) => [...local('/nowhere'), '-b', path, '--purge'],
		]) {
			const directory = place(files);
			const planned = await runProgram([...args(directory), '--dry-run']);
			assert.equal(planned.code, 0, planned.stderr);
			assert.match(planned.stdout, /^to remove from .*, 2 files:$/m);
			assert.deepEqual(readdirSync(directory).length, files.length);
			const {code, stderr} = await runProgram(args(directory));
			assert.equal(code, 0, stderr);
			assert.match(stderr, /INFO: removed 2 files from /);
			assert.deepEqual(readdirSync(directory).toSorted(), kept);
		}
	});

	test('leaves all of a database that has no new dump', async () => {
		const files = [dump('app', 1), dump('app', 40), dump('dead', 35), dump('dead', 50)];
		const directory = place(files);
		const {code, stderr} = await runProgram([...local(directory), '--purge', 'local']);
		assert.equal(code, 0, stderr);
		assert.match(stderr, /WARN: nothing of dead is purged: its newest good dump is 35 days old/);
		assert.deepEqual(readdirSync(directory).toSorted(), [files[0], files[2], files[3]].toSorted());
	});

	test('takes names of databases, and refuses one of which there is nothing', async () => {
		const files = [dump('app', 1), dump('app', 40), dump('b', 1), dump('b', 40)];
		const directory = place(files);
		const none = await runProgram([...local(directory), '--purge=local', 'missing']);
		assert.equal(none.code, 1);
		assert.match(none.stderr, /there is no dump of database "missing"/);
		const one = await runProgram([...local(directory), '--purge=local', 'b']);
		assert.equal(one.code, 0, one.stderr);
		assert.deepEqual(readdirSync(directory).toSorted(), files.slice(0, 3).toSorted());
	});

	test('a negative interval, which would remove everything, is refused', async () => {
		const {code, stderr} = await runProgram([...local(place([])), '-P', '-1h', '--purge', 'local']);
		assert.equal(code, 2, stderr);
		assert.match(stderr, /would remove every dump/);
	});

	test('with --servers each server is purged below its own prefix', async () => {
		const directory = place([]);
		for (const name of ['one', 'two']) {
			mkdirSync(join(directory, name));
			for (const file of [dump('app', 1), dump('app', 40)]) writeFileSync(join(directory, name, file), 'dump');
		}
		const config = scratchDirectory('config');
		mkdirSync(join(config, 'servers.d'));
		writeFileSync(join(config, 'pg_back.conf'), `local_directory = ${directory}\nhost = /nowhere\n`);
		for (const name of ['one', 'two']) writeFileSync(join(config, 'servers.d', `${name}.conf`), '');
		const {code, stdout, stderr} = await runProgram([
			'-c',
			join(config, 'pg_back.conf'),
			'--servers=all',
			'--purge=local',
		]);
		assert.equal(code, 0, stderr);
		assert.match(stdout, /^2 servers: all ok$/m);
		for (const name of ['one', 'two']) assert.equal(readdirSync(join(directory, name)).length, 1);
	});

	describe('with rights that are apart', () => {
		const locked = `p/${dump('app', 40)}`;
		let server: S3Server;
		let cluster: Cluster;
		before(async () => {
			cluster = await startCluster({name: 'purge'});
			await cluster.psql('postgres', 'create database app');
			server = await startS3Server({
				credentials: [
					{keyId: 'dumper', secret: 'dumper-secret'},
					{keyId: 'purger', secret: 'purger-secret'},
				],
				may: (keyId, action) => keyId === 'purger' || !action.startsWith('Delete'),
				locked: {[locked]: new Date(Date.now() + 10 * day).toISOString()},
			});
		});
		after(async () => {
			await server.close();
			await cluster.stop();
		});

		const s3 = (keyId: string) => [
			...['--s3-bucket=bucket', `--s3-endpoint=${server.url}`, '--s3-region=us-east-1', '--fleet-prefix=fleet'],
			...[
				'--s3-force-path=yes',
				`--s3-key-id=${keyId}`,
				`--s3-secret=${keyId}-secret`,
				'--upload-prefix=p',
				'-P',
				'30',
			],
		];
		const object = (key: string, text = 'dump') => {
			const bytes = Buffer.from(text);
			server.objects.set(key, {bytes, size: bytes.length, etag: 'x', modified: Date.now(), headers: {}, version: '1'});
		};

		test('who may not delete dumps without a failure, and the fleet sees a run that has ended', async () => {
			const args = [...connectTo(cluster, scratchDirectory('b')), ...s3('dumper'), '--upload=s3', '--dump-only', 'app'];
			const {code, stderr} = await runProgram(args);
			assert.equal(code, 0, stderr);
			const left = [...server.objects.keys()].filter(key => key.endsWith('.running.json'));
			assert.equal(left.length, 1);
			const view = await runProgram(['--no-config-file', ...s3('dumper'), '--fleet=s3']);
			assert.match(view.stdout, / ok, 0m ago /);
			assert.match(view.stdout, /^1 server: 0 failed, 0 warnings$/m);
		});

		test('who may purges: what the store has locked is kept, and that is no failure', async () => {
			for (const key of [locked, `p/${dump('app', 50)}`, `p/${dump('app', 1)}`]) object(key);
			// A pin is no lock of the store, whatever its reason says.
			const pinned = dump('app', 45);
			const pin = {schema: 1, runId: 'r', by: 'dba', host: 'db1', time: at(45), reason: 'locked for the audit'};
			object(`p/${pinned}`);
			object(`p/pg_back_${at(45)}.pinned.json`, JSON.stringify({...pin, files: [pinned]}));
			const refused = await runProgram(['--no-config-file', ...s3('dumper'), '--purge=s3']);
			assert.equal(refused.code, 14, refused.stderr);
			const {code, stderr} = await runProgram(['--no-config-file', ...s3('purger'), '--purge=s3']);
			assert.equal(code, 0, stderr);
			assert.match(stderr, /INFO: kept p\/app_.*: locked until/);
			assert.match(stderr, /INFO: removed 1 file from s3:\/\/bucket\/p\/, 1 file kept by a lock/);
		});
	});
});
