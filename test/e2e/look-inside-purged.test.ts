/** `--find-table` and `--diff` after a purge that removed some of the dumps that a manifest names. */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, nextSecond, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';
import {configFile, impatient, startS3Place} from './remote-places.js';

let server: Cluster;
let s3: Awaited<ReturnType<typeof startS3Place>>;
let directory: string;
/** The second run has only the database `two`, so that a purge keeps the first one's dump of `one`. */
const runs: string[] = [];

const manifestsIn = (path: string) => readdirSync(path).filter(name => name.endsWith('.manifest.json'));
const pg = (...args: readonly string[]) => {
	const [, ...connection] = connectTo(server, directory);
	return runProgram(['-c', configFile([...impatient, ...s3.settings, 'upload = s3']), ...connection, ...args], {
		env: s3.env,
	});
};

async function backup(...args: readonly string[]): Promise<void> {
	const known = new Set(manifestsIn(directory));
	succeeded(await pg(...args));
	const name = manifestsIn(directory).find(one => !known.has(one)) ?? '';
	runs.push((JSON.parse(readFileSync(join(directory, name), 'utf8')) as {runId: string}).runId);
	await nextSecond();
}

before(async () => {
	server = await startCluster({name: 'inside-purged'});
	s3 = await startS3Place();
	directory = scratchDirectory('inside-purged');
	await server.psql('postgres', 'create database one; create database two; create database three');
	for (const name of ['one', 'two', 'three']) await server.psql(name, `create table t_${name} as select 1 as i`);
	await backup('--format', 'directory', 'one', 'two', 'three');
	await backup('--format', 'directory', 'two', 'one');
	await backup('--format', 'directory', 'two');
	for (const place of ['backup', 's3']) succeeded(await pg('-P', '0', '-K', '1', '--purge', place));
});
after(async () => {
	await s3.stop();
	await server.stop();
});

type Diff = {equal: boolean; databases: {database: string; change: string; notes: string[]}[]; notCompared: string[]};

for (const place of ['backup', 's3']) {
	describe(`after a purge at ${place}`, () => {
		const find = () => pg('--find-table', 't_*', place, '--json');
		const tablesIn = (stdout: string) =>
			stdout
				.trim()
				.split('\n')
				.map(line => JSON.parse(line) as {run: string; table: string})
				.map(({run, table}) => [run, table]);

		test('--find-table finds what is there, and says once what is gone', async () => {
			const ended = succeeded(await find());
			assert.deepEqual(tablesIn(ended.stdout), [
				[runs[2], 't_two'],
				[runs[1], 't_one'],
				[runs[0], 't_three'],
			]);
			assert.match(ended.stderr, /INFO: 3 dumps of these runs are gone, as after a purge: not searched$/m);
			assert.doesNotMatch(ended.stderr, /WARN|ERROR/);
			const none = await pg('--find-table', 'nowhere', place);
			assert.equal(none.code, 1);
			assert.match(none.stderr, /looked at 3 dumps$/m);
			assert.match(none.stderr, /INFO: 3 dumps of these runs are gone/);
		});

		test('--diff compares what is there, and says what is gone', async () => {
			const [first = '', second = '', third = ''] = runs;
			const ended = await pg('--diff', first, second, `@${place}`, '--json');
			assert.equal(ended.code, 1, ended.stderr);
			const {databases, notCompared} = JSON.parse(ended.stdout) as Diff;
			assert.deepEqual(
				databases.map(({database, change}) => [database, change]),
				[['three', 'removed']],
			);
			assert.deepEqual(notCompared, ['one', 'two']);
			const text = (await pg('--diff', second, third, `@${place}`)).stdout;
			assert.match(
				text,
				/^- database one: .*\n {2}not compared, because a dump is gone, as after a purge: two\nthe runs differ/m,
			);
			const itself = await pg('--diff', first, first, `@${place}`);
			assert.equal(itself.code, 1, 'a script takes 0 for equal');
			assert.match(
				itself.stdout,
				/no difference found, but not everything was compared: 1 database equal, 2 not compared\n$/,
			);
		});

		test('a directory dump without its table of contents was removed in part, and is not damaged', async () => {
			const isContents = (path: string) => /^three_.*\/toc\.dat$/.test(path);
			if (place === 's3') s3.server.objects.delete([...s3.server.objects.keys()].find(isContents) ?? '');
			else rmSync(join(directory, filesIn(directory).find(isContents) ?? ''));
			const ended = succeeded(await find());
			assert.equal(tablesIn(ended.stdout).length, 2);
			assert.match(ended.stderr, /INFO: 4 dumps of these runs are gone/);
			assert.doesNotMatch(ended.stderr, /WARN|ERROR/);
			const [first = '', second = ''] = runs;
			const diff = await pg('--diff', first, second, `@${place}`);
			assert.equal(diff.code, 1, diff.stdout);
			assert.match(diff.stderr, /FATAL: the dumps of run \S+ at \S+ are gone$/m);
		});
	});
}

test('a dump that a purge removes meanwhile is gone, and no error', async () => {
	const key = [...s3.server.objects.keys()].find(one => /^two_.*\/toc\.dat$/.test(one)) ?? '';
	s3.server.faults.push({action: 'GetObject', key, do: 'answer', status: 404, code: 'NoSuchKey'});
	const ended = succeeded(await pg('--find-table', 't_*', 's3'));
	assert.match(ended.stdout, /t_one/);
	assert.doesNotMatch(ended.stdout, /t_two/);
	assert.match(ended.stderr, /INFO: 5 dumps of these runs are gone/);
	assert.doesNotMatch(ended.stderr, /WARN|ERROR/);
});
