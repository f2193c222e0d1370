/** `--check-age`: what monitoring is told of files that are good, old, cut, or were never made. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {runProgram, scratchDirectory} from '../helpers/program.js';

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
