/** The table of contents of a directory dump comes last, wherever it is written: a part of a dump does not look like one. */
import assert from 'node:assert/strict';
import {appendFileSync, readdirSync, readFileSync, truncateSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {type Ended, filesIn, newKeyFile, runProgram, scratchDirectory} from '../helpers/program.js';
import type {S3Server} from '../helpers/s3-server.js';
import {runWithin} from './remote-places.js';
import {refusal, s3Backup, withServer} from './remote-s3.js';

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'toclast'});
	await cluster.psql('postgres', 'create database a');
	const tables = Array.from({length: 12}, (_, i) => `create table t${i} as select generate_series(1, 100) i`);
	await cluster.psql('a', tables.join(';'));
});
after(async () => cluster.stop());

const isContents = (name: string) => /\.d\/toc\.dat(?:\.age)?$/.test(name);
const members = (names: Iterable<string>) => [...names].filter(name => name.includes('.d/'));
const records = (directory: string) => readdirSync(directory).filter(name => name.startsWith('.pg_back-upload-'));

type Site = {
	readonly server: S3Server;
	readonly directory: string;
	readonly run: (args: readonly string[], lines?: readonly string[]) => Promise<Ended>;
};

async function withSite(lines: readonly string[], work: (site: Site) => Promise<void>): Promise<void> {
	await withServer({}, async ({server}) => {
		const directory = scratchDirectory('toclast');
		await work({
			server,
			directory,
			run: (args, more = []) => runWithin(s3Backup(cluster, server.url, directory, [...lines, ...more], args)),
		});
	});
}

const dump = ['--dump-only', '-F', 'd', 'a'];

describe('an upload', () => {
	for (const [what, more] of [
		['clear', async () => []],
		['encrypted', async () => ['encrypt = yes', `cipher_public_key = ${(await newKeyFile()).recipient}`]],
	] as const) {
		test(`that fails for two members leaves no table of contents; the next run sends the rest (${what})`, async () => {
			await withSite([...(await more()), 'delete_uploaded = yes'], async ({server, directory, run}) => {
				server.faults.push({...refusal, action: 'PutObject', times: 2});
				const failed = await run(dump);
				assert.equal(failed.code, 14, failed.stderr);
				const local = members(filesIn(directory));
				assert.equal(local.length, 13);
				assert.equal(members(server.objects.keys()).length, 10);
				assert.deepEqual(members(server.objects.keys()).filter(isContents), []);

				server.faults.push({...refusal, action: 'PutObject', times: 1});
				const again = await run(['--resume-uploads']);
				assert.equal(again.code, 14, again.stderr);
				assert.deepEqual(members(server.objects.keys()).filter(isContents), []);
				assert.deepEqual(members(filesIn(directory)), local, 'nothing is removed from a part');

				const resumed = await run(['--resume-uploads']);
				assert.equal(resumed.code, 0, resumed.stderr);
				assert.deepEqual(members(server.objects.keys()).sort(), local);
				const puts = server.requests.filter(({action, key}) => action === 'PutObject' && key.includes('.d/'));
				assert.ok(isContents(puts.at(-1)?.key ?? ''));
				assert.deepEqual(
					filesIn(directory).filter(name => /\.d(?:\/|$)/.test(name)),
					[],
					'all of it is stored there',
				);
				assert.deepEqual(records(directory), []);
			});
		});
	}

	test('whose member has changed meanwhile sends no table of contents', async () => {
		await withSite([], async ({server, directory, run}) => {
			server.faults.push({...refusal, action: 'PutObject', times: 2});
			await run(dump);
			const stored = new Set(server.objects.keys());
			const missing = members(filesIn(directory)).find(name => !stored.has(name)) ?? '';
			appendFileSync(join(directory, missing), 'x');
			const {code, stderr} = await run(['--resume-uploads']);
			assert.equal(code, 14, stderr);
			assert.match(stderr, /ERROR: a_\S+\.d failed: upload of \S+ is not resumed: \S+ has changed/);
			assert.match(stderr, /ERROR: upload of .*\.d\/toc\.dat is not resumed: s3:\/\/bucket\/ lacks other members/);
			assert.deepEqual(members(server.objects.keys()).filter(isContents), []);
			assert.deepEqual(records(directory), []);
		});
	});
});

test('a download that fails for one member writes no table of contents; the next one does', async () => {
	await withSite([], async ({server, directory, run}) => {
		const {code, stderr} = await run(dump);
		assert.equal(code, 0, stderr);
		const target = scratchDirectory('toclast-target');
		const fetch = async (more: readonly string[] = []) =>
			run(['--download', 's3', '-b', target, ...more, 'a_*.d'].filter(word => word !== ''));
		const [first = ''] = members(server.objects.keys());
		server.faults.push({...refusal, action: 'GetObject', key: first, times: 1});
		const failed = await fetch();
		assert.equal(failed.code, 14, failed.stderr);
		assert.match(failed.stderr, /ERROR: \S+\.d\/toc\.dat failed: \S+ is left out: \S+ is missing/);
		assert.equal(members(filesIn(target)).length, 11);
		assert.deepEqual(members(filesIn(target)).filter(isContents), []);
		const again = await fetch();
		assert.equal(again.code, 1, 'the others exist');
		assert.deepEqual(members(filesIn(target)), members(filesIn(directory)));
	});
});

test('a decryption that fails for one member writes no table of contents', async () => {
	const {recipient, file} = await newKeyFile();
	await withSite(['encrypt = yes', `cipher_public_key = ${recipient}`], async ({directory, run}) => {
		const {code, stderr} = await run(dump);
		assert.equal(code, 0, stderr);
		const [first = ''] = members(filesIn(directory));
		const path = join(directory, first);
		truncateSync(path, readFileSync(path).length - 1);
		const decrypted = await runProgram([
			...['--no-config-file', '-b', directory, '--decrypt', '--cipher-identity-file', file, 'a_*.d'],
		]);
		assert.equal(decrypted.code, 17, decrypted.stderr);
		const plain = members(filesIn(directory)).filter(name => !name.endsWith('.age'));
		assert.equal(plain.length, 11);
		assert.deepEqual(plain.filter(isContents), []);
	});
});
