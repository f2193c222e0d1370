import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {type DatabaseChoice, inDumpOrder, selectDatabases} from '../../source/backup/select-databases.js';
import type {Database} from '../../source/postgres/catalog.js';

function database(name: string, more: Partial<Database> = {}): Database {
	return {name, allowsConnections: true, isTemplate: false, invalid: false, size: undefined, ...more} as Database;
}
const all: DatabaseChoice = {include: [], exclude: [], withTemplates: false};
const inventory = [
	database('a'),
	database('B', {size: 5}),
	database('closed', {allowsConnections: false}),
	database('half', {invalid: true}),
	database('t', {isTemplate: true}),
];
const namesOf = (databases: readonly Database[]) => databases.map(({name}) => name);

test('all: no templates, none that is closed, one warning for each invalid one', () => {
	const {databases, warnings, missing} = selectDatabases(inventory, all);
	assert.deepEqual(namesOf(databases), ['a', 'B']);
	assert.deepEqual(missing, []);
	assert.equal(warnings.length, 1);
	assert.match(warnings[0] ?? '', /"half" is invalid/);
	assert.deepEqual(namesOf(selectDatabases(inventory, {...all, withTemplates: true}).databases), ['a', 'B', 't']);
	assert.deepEqual(selectDatabases(inventory, {...all, exclude: ['half', 'a']}).warnings, []);
});

test('a database that a restore is filling is not dumped unless it is named', () => {
	const hidden = database('a.pgbk-abc123', {unfinished: true});
	const {databases, warnings} = selectDatabases([database('a'), hidden], all);
	assert.deepEqual(namesOf(databases), ['a']);
	assert.match(warnings.join(), /"a\.pgbk-abc123" is of an unfinished restore: not dumping it/);
	assert.deepEqual(namesOf(selectDatabases([hidden], {...all, include: [hidden.name]}).databases), [hidden.name]);
});

test('named: their order, each once, templates too; what cannot be is a problem each', () => {
	const {databases, missing} = selectDatabases(inventory, {
		...all,
		include: ['t', 'b', 'a', 't', 'half', 'closed', 'a'],
		exclude: ['a'],
	});
	assert.deepEqual(namesOf(databases), ['t']);
	assert.deepEqual(
		missing.map(({name, error}) => [name, error.code]),
		['b', 'half', 'closed'].map(name => [name, 'DATABASE_MISSING']),
	);
	assert.match(missing[0]?.error.hint ?? '', /did you mean "B"/);
});

test('control characters of a name are shown, not sent to the terminal', () => {
	const [missing] = selectDatabases([], {...all, include: ['x\u001B[31m']}).missing;
	assert.ok(missing && !missing.error.message.includes('\u001B'));
});

test('biggest first when several run at once; the order of the list otherwise; nothing is lost', () => {
	const list = [database('x', {size: 1}), database('y'), database('z', {size: 9})];
	assert.deepEqual(namesOf(inDumpOrder(list, 1)), ['x', 'y', 'z']);
	assert.deepEqual(namesOf(inDumpOrder(list, 2)), ['z', 'x', 'y']);
	fc.assert(
		fc.property(fc.array(fc.nat()), fc.integer({min: 1, max: 9}), (sizes, jobs) => {
			const databases = sizes.map((size, index) => database(`d${index}`, {size}));
			assert.deepEqual(new Set(namesOf(inDumpOrder(databases, jobs))), new Set(namesOf(databases)));
		}),
	);
});
