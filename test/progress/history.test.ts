import assert from 'node:assert/strict';
import {mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import fc from 'fast-check';
import {
	History,
	historyFile,
	type NewPast,
	parseHistory,
	readHistory,
	writeHistory,
} from '../../source/progress/history.js';

const past: NewPast = {
	...{at: 1000, seconds: 12.3456, before: 1, after: 2, bytes: 5000},
	tables: [{name: 'public.secret_name', past: {seconds: 3, size: 10, bytes: 19, rows: 4}}],
};

describe('what the last run took', () => {
	let directory: string;
	before(async () => {
		directory = await mkdtemp(join(tmpdir(), 'pgb-history-'));
	});
	after(() => rm(directory, {recursive: true}));

	test('comes back, by cluster and database, without names of tables', async () => {
		const history = new History();
		history.record('77', 'shop', past);
		await writeHistory(directory, history);
		await writeHistory(directory, history);
		assert.deepEqual(await readdir(directory), [historyFile]);
		assert.equal((await stat(join(directory, historyFile))).mode & 0o777, 0o600);
		assert.doesNotMatch(await readFile(join(directory, historyFile), 'utf8'), /secret_name/);
		const read = await readHistory(directory);
		const found = read.past('77', 'shop');
		assert.deepEqual([found?.seconds, found?.before, found?.after, found?.bytes], [12.346, 1, 2, 5000]);
		assert.ok(found);
		assert.deepEqual(found.table('public.secret_name'), {seconds: 3, size: 10, bytes: 19, rows: 4});
		assert.equal(found.table('public.other'), undefined);
		assert.equal(read.past('78', 'shop'), undefined);
	});

	test('a file that is missing, damaged, foreign or huge is as good as none', async () => {
		assert.equal((await readHistory(join(directory, 'none'))).past('77', 'shop'), undefined);
		for (const text of [
			'',
			'{',
			'[]',
			'{"schema":2,"databases":{}}',
			'{"schema":1,"databases":{"77/shop":{"at":1,"seconds":-1,"before":0,"after":0,"bytes":0,"tables":{}}}}',
			'x'.repeat(9_000_000),
		]) {
			await writeFile(join(directory, historyFile), text);
			assert.equal((await readHistory(directory)).past('77', 'shop'), undefined);
		}
	});

	test('what people write into it harms nothing', () => {
		fc.assert(
			fc.property(fc.json(), text => {
				parseHistory(`{"schema":1,"databases":{"77/shop":${text}}}`).past('77', 'shop');
			}),
		);
	});

	test('it stays small: the slowest databases of late, the slowest tables', () => {
		const history = new History();
		const tables = Array.from({length: 3000}, (_, index) => ({
			name: `t${index}`,
			past: {seconds: index, size: 1, bytes: 1, rows: 1},
		}));
		const day = 86_400_000;
		history.record('1', 'dropped', {...past, at: 0, seconds: 1e6});
		history.record('1', 'of a wrong clock', {...past, at: 1e6 * day, seconds: 1e6});
		// The largest are dumped first.
		for (let index = 0; index < 1600; index++)
			history.record('1', `db${index}`, {...past, at: 100 * day + index, seconds: 1600 - index, tables});
		const text = history.print();
		assert.ok(text.length < 5_000_000, String(text.length));
		const read = parseHistory(text);
		assert.ok(read.past('1', 'db0')?.table('t2999'));
		assert.equal(read.past('1', 'db0')?.table('t0'), undefined);
		assert.equal(read.past('1', 'db1599'), undefined);
		assert.equal(read.past('1', 'dropped'), undefined);
		const few = new History();
		for (let index = 0; index < 1600; index++)
			few.record('1', `db${index}`, {...past, at: index, seconds: 1600 - index, tables: []});
		assert.ok(few.past('1', 'db499'));
		assert.equal(parseHistory(few.print()).past('1', 'db500'), undefined);
		assert.ok(parseHistory(few.print()).past('1', 'db499'));
	});
});
