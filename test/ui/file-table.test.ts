import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import type {ListedFile} from '../../source/core/handle.js';
import {parsePath} from '../../source/retention/names.js';
import {orderFiles, type OrderOptions} from '../../source/ui/files/order.js';
import {createFileTable, type FileTable} from '../../source/ui/files/table.js';
import {createTextIndex} from '../../source/ui/files/text-index.js';

const time = '2026-11-22T02:00:03Z';

function listed(key: string, size = 100): ListedFile {
	const parsed = parsePath(key);
	if (!parsed) return {key, size};
	const {subject, subjectText, timeText, suffix, encrypted, checksum, member} = parsed;
	return {
		key,
		size,
		name: {
			subject: subject.kind === 'database' ? subject.name : subjectText,
			timeText,
			time: parsed.time,
			suffix,
			encrypted,
			...(checksum !== undefined && {checksum}),
			...(member !== undefined && {member}),
		},
	};
}

function tableOf(keys: readonly string[]): FileTable {
	const table = createFileTable();
	for (const key of keys) table.add(listed(key));
	return table;
}

async function shown(table: FileTable, options: Partial<OrderOptions> = {}): Promise<readonly string[]> {
	const order = await orderFiles(
		table,
		{list: 'dumps', filter: '', sort: 'name', reverse: false, ...options},
		new AbortController().signal,
	);
	return [...order.rows].map(dump => `${table.dumps.subject(dump)} ${table.key(table.dumps.lead(dump))}`);
}

describe('the table of listed files', () => {
	it('folds checksum files, createdb.sql and members into their dump, and manifests into their run', async () => {
		const keys = [
			`app_${time}.createdb.sql`,
			`app_${time}.createdb.sql.sha256`,
			`app_${time}.sql.gz`,
			`app_${time}.sql.gz.sha256`,
			`big_${time}.d.sha256`,
			`big_${time}.d/3358.dat.gz`,
			`big_${time}.d/toc.dat`,
			`notes.txt`,
			`pg_back_${time}.manifest.json`,
			`pg_back_${time}.private.json.age`,
			`pg_globals_${time}.sql.age`,
			`pg_globals_${time}.sql.age.sha256`,
		];
		for (const order of [keys, keys.toReversed()]) {
			const table = tableOf(order);
			const rows = await shown(table);
			assert.deepEqual(
				rows.map(row => row.replace(/3358\.dat\.gz|toc\.dat/, 'MEMBER')),
				[
					`app app_${time}.sql.gz`,
					`big big_${time}.d/MEMBER`,
					' notes.txt',
					`pg_globals pg_globals_${time}.sql.age`,
				].toSorted((a, b) => (a.trimStart() < b.trimStart() ? -1 : 1)),
			);
			const app = table.dumps.find(listed(`app_${time}.sql.gz`)) ?? -1;
			assert.equal(table.dumps.rows(app).length, 4);
			assert.equal(table.dumps.bytes(app), 200);
			assert.equal(table.dumps.hasChecksums(app), true);
			const big = table.dumps.find(listed(`big_${time}.d`)) ?? -1;
			assert.equal(table.dumps.files(big), 2);
			assert.equal(table.dumps.timeText(big), time);
		}
	});

	it('keeps a plain copy beside the encrypted dump as a row of its own, and names with the same time in other directories', async () => {
		const table = tableOf([`a/app_${time}.dump`, `a/app_${time}.dump.age`, `b/app_${time}.dump`]);
		assert.equal((await shown(table)).length, 3);
	});

	it('finds a database by its decoded name and by the name as it is stored, however it was typed', async () => {
		const key = `%C3%9Cbung_${time}.dump`;
		const table = tableOf([key, `other_${time}.dump`]);
		for (const filter of ['Übung', 'übung', 'U\u0308bung', '%c3%9c'])
			assert.deepEqual(await shown(table, {filter}), [`Übung ${key}`], filter);
		assert.deepEqual(await shown(table, {filter: '!übung'}), [`other other_${time}.dump`]);
		assert.deepEqual(await shown(table, {filter: '!%C3'}), [`other other_${time}.dump`]);
	});

	it('puts dumps of different times into the run of the manifest that names them, whenever that is read', async () => {
		const table = tableOf([`app_${time}.dump`]);
		const later = `other_2026-11-22T02:09:59Z.dump`;
		table.apply({
			run: 'one',
			time: 0,
			state: 'complete',
			databases: [],
			failed: [],
			encrypted: false,
			dumps: [
				{...listed(`app_${time}.dump`), verdict: 'proven', at: 1000},
				{...listed(later), verdict: 'hashed'},
				{...listed(`gone_${time}.dump`), verdict: 'hashed'},
			],
		});
		table.add(listed(later));
		assert.equal(table.runs.known(), 2);
		table.settle();
		assert.equal(table.runs.known(), 1);
		assert.equal(table.verdict(0), 'proven');
		assert.equal(table.provenAt(0), 1000);
		assert.equal(table.verdict(1), 'hashed');
		const order = await orderFiles(
			table,
			{list: 'runs', filter: '', sort: 'time', reverse: false},
			new AbortController().signal,
		);
		assert.deepEqual([...order.runs.values()][0]?.dumps, [0, 1]);
	});

	it('is not misled by texts with the same hash', () => {
		const texts = Array.from({length: 5000}, (_, index) => `name ${index}`);
		const index = createTextIndex(number => texts[number] ?? '');
		for (const [number, text] of texts.entries()) assert.equal(index.put(text, number), number);
		assert.equal(index.put('name 7', 9999), 7);
		for (const [number, text] of texts.entries()) assert.equal(index.find(text), number);
		assert.equal(index.find('name 5000'), undefined);
	});
});
