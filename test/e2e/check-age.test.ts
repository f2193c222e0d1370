/** `--check-age`: what monitoring is told of files that are good, old, cut, or were never made. */
import assert from 'node:assert/strict';
import {chmodSync, existsSync, mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {type RunOptions, runProgram, scratchDirectory} from '../helpers/program.js';

const hasSetpriv = () => existsSync('/usr/bin/setpriv');

const time = (hoursAgo: number) => new Date(Date.now() - hoursAgo * 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z');

async function check(files: Readonly<Record<string, string>>, args: readonly string[] = []) {
	const directory = scratchDirectory('age');
	for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
	const {code, stdout, stderr} = await runProgram(['--no-config-file', '-b', directory, '--check-age', '26h', ...args]);
	assert.equal(stderr, '');
	return {code, stdout};
}

const manifest = (files: readonly object[], failed: readonly object[] = []) =>
	JSON.stringify({
		...{schema: 1, runId: 'r', outcome: 'complete', start: time(1), end: time(1), host: 'h', version: '3.0.0'},
		...{server: {version: '15.1'}, tools: {}, options: {}, databases: [], failed, files},
	});
const file = (path: string, size: number) => ({
	path,
	role: 'dump',
	database: 'a',
	time: time(1),
	size,
	verified: 'hash',
	shipped: [],
});

test('good and recent: 0; too old: 2; nothing at all: 3', async () => {
	const good = await check({[`a_${time(1)}.dump`]: 'x', [`a_${time(100)}.dump`]: 'x', [`b_${time(2)}.sql.age`]: 'x'});
	assert.equal(good.code, 0);
	assert.match(
		good.stdout,
		/^PG_BACK OK - 2 databases, oldest good backup 2h00m \(b\) \| oldest=72\d\ds;;93600;0 databases=2\n$/,
	);
	const old = await check({[`a_${time(1)}.dump`]: 'x', [`b_${time(27)}.dump`]: 'x'});
	assert.deepEqual([old.code, /CRITICAL - b: \S+ old \|/.test(old.stdout)], [2, true], old.stdout);
	assert.equal((await check({})).code, 3);
});

test('a database of which all is cut or changed does not fall out of sight', async () => {
	const name = `a_${time(1)}.dump`;
	for (const files of [
		{[name]: ''},
		{[name]: 'shorter', [`pg_back_${time(1)}.manifest.json`]: manifest([file(name, 1000)])},
	]) {
		const {code, stdout} = await check({...files, [`b_${time(1)}.dump`]: 'x'});
		assert.deepEqual([code, /CRITICAL - a: no good backup \|/.test(stdout)], [2, true], stdout);
	}
});

test('a database that could never be dumped counts; a name that was not there does not', async () => {
	const failed = (database: string, code: string) => ({database, code, message: 'm'});
	const text = manifest([], [failed('never', 'DUMP_FAILED'), failed('mistyped', 'DATABASE_MISSING')]);
	const {code, stdout} = await check({[`a_${time(1)}.dump`]: 'x', [`pg_back_${time(1)}.manifest.json`]: text});
	assert.deepEqual([code, /CRITICAL - never: no good backup \|/.test(stdout)], [2, true], stdout);
});

const unknownCases: readonly (readonly [string, () => readonly string[], RegExp, RunOptions?])[] = [
	['an age that is none', () => ['--check-age', '26x'], /--check-age: .*26x/],
	['no age', () => ['--check-age'], /--check-age/],
	['an unknown option', () => ['--check-age', '26h', '--nosuch'], /unknown option --nosuch/],
	['an option before it that is wrong', () => ['--jobs=many', '--check-age=26h'], /--jobs/],
	['a missing configuration file', () => ['-c', '/nowhere/x.conf', '--check-age', '26h'], /\/nowhere\/x\.conf/],
	['a configuration with mistakes', () => ['-c', broken(), '--check-age', '26h'], /nosuch_key/],
	[
		'a missing directory',
		() => ['--no-config-file', '-b', '/nowhere/at/all', '--check-age', '26h'],
		/\/nowhere\/at\/all/,
	],
	['a directory that is a file', () => ['--no-config-file', '-b', broken(), '--check-age', '26h'], /not a directory/],
	[
		'a remote that cannot be reached',
		() => ['-c', unreachable(), '-b', scratchDirectory('age'), '--check-age', '26h'],
		/could not .*s3:\/\/bucket\/.*connection refused/,
		{env: {AWS_EC2_METADATA_DISABLED: 'true'}},
	],
];

function broken(): string {
	const path = join(scratchDirectory('conf'), 'broken.conf');
	writeFileSync(path, 'nosuch_key = 1\n', {mode: 0o600});
	return path;
}

function unreachable(): string {
	const path = join(scratchDirectory('conf'), 'remote.conf');
	const lines = ['upload = s3', 's3_bucket = bucket', 's3_region = r', 's3_key_id = k', 's3_secret = s'];
	const quick = ['s3_endpoint = http://127.0.0.1:1', 'remote_retry = 0', 'remote_timeout = 1'];
	writeFileSync(path, `${[...lines, ...quick].join('\n')}\n`, {mode: 0o600});
	return path;
}

for (const [what, args, pattern, options] of unknownCases) {
	test(`UNKNOWN, on one line: ${what}`, async () => {
		const {code, stdout} = await runProgram(args(), options);
		assert.equal(code, 3, stdout);
		assert.match(stdout, /^PG_BACK UNKNOWN - [^\n|]+\n$/);
		assert.match(stdout, pattern);
	});
}

test(
	'UNKNOWN for a directory that may not be read',
	{skip: process.getuid?.() === 0 && !hasSetpriv() ? 'no setpriv' : false},
	async () => {
		const directory = join(scratchDirectory('age'), 'closed');
		mkdirSync(directory, {mode: 0o700});
		const asOther = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--clear-groups'] : [];
		if (asOther.length === 0) chmodSync(directory, 0);
		const {code, stdout} = await runProgram(['--no-config-file', '-b', directory, '--check-age', '26h'], {
			wrapper: asOther,
		});
		assert.deepEqual([code, /^PG_BACK UNKNOWN - .*permission denied\n$/.test(stdout)], [3, true], stdout);
	},
);
