import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {StoredData, StoredTable} from '../../source/postgres/progress-inventory.js';
import {type DataChoices, selectData} from '../../source/progress/select-data.js';

function stored(schema: string, name: string, more: Partial<StoredTable> = {}): StoredTable {
	return {
		oid: 1,
		schema,
		name,
		bytes: 10,
		toastBytes: 0,
		pages: 1,
		visible: schema === 'public',
		unlogged: false,
		...more,
	};
}

const data: StoredData = {
	tables: [
		stored('public', 'orders'),
		stored('public', 'Odd.Name'),
		stored('log', 'a_events'),
		stored('log', 'b$events'),
		stored('app_1', 'orders', {pages: 9}),
	],
	largeObjectBytes: 5,
};

const all: DataChoices = {
	...{schemas: [], excludeSchemas: [], tables: [], excludeTables: [], options: []},
	withBlobs: undefined,
	workers: 1,
	inRecovery: false,
};

function names(choices: Partial<DataChoices>, from = data): string[] {
	return selectData(from, {...all, ...choices}).map(table => table.name);
}

test('everything, by name for one process, by size for several', () => {
	assert.deepEqual(names({}), [
		'app_1.orders',
		'log.a_events',
		'log.b$events',
		'public.Odd.Name',
		'public.orders',
		'large objects',
	]);
	assert.equal(names({workers: 2})[0], 'app_1.orders');
});

test('schemas and tables are chosen by patterns, as pg_dump does', () => {
	assert.deepEqual(names({schemas: ['app_*', 'LOG']}), ['app_1.orders', 'log.a_events', 'log.b$events']);
	assert.deepEqual(names({excludeSchemas: ['(app_1|log)']}), ['public.Odd.Name', 'public.orders', 'large objects']);
	// A pattern without a schema finds what the search path does.
	assert.deepEqual(names({tables: ['orders']}), ['public.orders']);
	assert.deepEqual(names({tables: ['*.orders']}), ['app_1.orders', 'public.orders']);
	assert.deepEqual(names({tables: ['public."Odd.Name"']}), ['public.Odd.Name']);
	assert.deepEqual(names({tables: ['log.b$*']}), ['log.b$events']);
	assert.deepEqual(names({excludeTables: ['log.?_events', 'ORDERS']}), [
		'app_1.orders',
		'log.b$events',
		'public.Odd.Name',
		'large objects',
	]);
	// With -t, neither -n nor -N counts.
	assert.deepEqual(names({tables: ['log.*'], schemas: ['public'], excludeSchemas: ['log']}), [
		'log.a_events',
		'log.b$events',
	]);
});

test('what pg_dump_options says counts too', () => {
	assert.deepEqual(names({options: ['-s']}), []);
	assert.deepEqual(names({options: ['--section=pre-data']}), []);
	assert.deepEqual(names({options: ['--section=data', '-n', 'log']}), ['log.a_events', 'log.b$events']);
	assert.deepEqual(names({options: ['--exclude-table-data=log.*', '-Npublic', '-B']}), ['app_1.orders']);
	assert.deepEqual(names({options: ['--table', 'orders', '--large-objects']}), ['public.orders', 'large objects']);
});

test('large objects come without a filter or when asked for', () => {
	assert.ok(names({}).includes('large objects'));
	assert.ok(!names({withBlobs: false}).includes('large objects'));
	assert.ok(!names({schemas: ['log']}).includes('large objects'));
	assert.ok(names({schemas: ['log'], withBlobs: true}).includes('large objects'));
	assert.ok(!names({}, {...data, largeObjectBytes: 0}).includes('large objects'));
});

test('unlogged tables are not dumped on a standby, nor when that is not wanted', () => {
	const some = {tables: [stored('public', 'u', {unlogged: true})], largeObjectBytes: 0};
	assert.deepEqual(names({}, some), ['public.u']);
	assert.deepEqual(names({inRecovery: true}, some), []);
	assert.deepEqual(names({options: ['--no-unlogged-table-data']}, some), []);
});
