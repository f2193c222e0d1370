/** What monitoring is told: which databases count, what is too old, and the figures behind the bar. */
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import fc from 'fast-check';
import {checkAge, findDumps, report} from '../../source/repository/check-age.js';
import {runContext} from '../helpers/run-context.js';

const hour = 3_600_000;
const now = Date.parse('2026-06-01T12:00:00Z');
const root = mkdtempSync(join(tmpdir(), 'pgb-age-'));
after(() => rmSync(root, {recursive: true, force: true}));

const told = (ages: Readonly<Record<string, number>>, databases: readonly string[], limit = 26) =>
	report({
		newest: new Map(Object.entries(ages).map(([name, age]) => [name, now - age * hour])),
		future: new Map(),
		databases,
		now,
		limit: limit * hour,
	});

test('OK names the oldest; the limit itself is not too old', () => {
	assert.deepEqual(told({a: 1, b: 26}, ['a', 'b']), {
		text: 'PG_BACK OK - 2 databases, oldest good backup 1d02h (b) | oldest=93600s;;93600;0 databases=2',
		status: 0,
	});
});

test('CRITICAL names all that are missing or old; UNKNOWN when there is nothing to judge', () => {
	const {text, status} = told({a: 27, b: 30}, ['a', 'b', 'never']);
	assert.equal(status, 2);
	assert.match(
		text,
		/^PG_BACK CRITICAL - never: no good backup, b: .* old, a: .* old \| oldest=108000s;;93600;0 databases=3$/,
	);
	assert.equal(told({}, ['a']).text, 'PG_BACK CRITICAL - a: no good backup');
	assert.equal(told({}, []).status, 3);
});

test('one line without control characters, whatever the names; OK exactly when all are young enough', () => {
	fc.assert(
		fc.property(fc.dictionary(fc.string({minLength: 1, unit: 'binary'}), fc.integer({min: 0, max: 50})), ages => {
			const names = Object.keys(ages);
			const {text, status} = told(ages, names);
			assert.doesNotMatch(text, /[\u0000-\u001F\u007F-\u009F\u202A-\u202E]/);
			assert.equal(status, names.length === 0 ? 3 : Object.values(ages).every(age => age <= 26) ? 0 : 2);
		}),
	);
});

test('a dump to which the place gives an invalid date does not count, also if it is a member of a directory dump', async () => {
	const listed = [
		{path: 'a_2026-06-01T10:00:00Z.dump', size: 1, doubt: 'invalid'},
		{path: 'a_2026-05-01T10:00:00Z.dump', size: 1},
		{path: 'b_2026-06-01T10:00:00Z.d/1.dat', size: 1, doubt: 'invalid'},
		{path: 'b_2026-06-01T10:00:00Z.d/toc.dat', size: 1},
		{path: 'b_2026-05-31T10:00:00Z.d/toc.dat', size: 1},
		{path: 'b_2026-05-31T10:00:00Z.d/zz.dat', size: 1, doubt: 'invalid'},
		{path: 'b_2026-05-02T10:00:00Z.d/toc.dat', size: 1},
	];
	const place = {
		manifests: () => Promise.resolve([]),
		async *list() {
			yield* await Promise.resolve(listed);
		},
	};
	const {signal} = new AbortController();
	const {good, seen} = await findDumps({signal}, place, now);
	assert.deepEqual(
		[...good],
		[
			['a', Date.parse('2026-05-01T10:00:00Z')],
			['b', Date.parse('2026-05-02T10:00:00Z')],
		],
	);
	assert.deepEqual([...seen], ['a', 'b']);
});

async function check(files: Readonly<Record<string, string>>, args: readonly string[] = []) {
	const directory = mkdtempSync(join(root, 'b-'));
	for (const [name, content] of Object.entries(files)) {
		mkdirSync(join(directory, name, '..'), {recursive: true});
		writeFileSync(join(directory, name), content);
	}
	const run = await runContext(['-b', directory, '--check-age', '26h', ...args], {now: () => new Date(now)});
	return checkAge(run, 26 * hour);
}
const stamp = (age: number) => new Date(now - age * hour).toISOString().replace('.000', '');

test('a directory dump counts by its table of contents; checksum and createdb files do not count', async () => {
	assert.equal((await check({[`a_${stamp(1)}.d/toc.dat`]: 'x', [`a_${stamp(1)}.d/1.dat`]: ''})).status, 0);
	assert.equal((await check({[`a_${stamp(1)}.d/1.dat`]: 'x'})).status, 2);
	const beside = {
		[`a_${stamp(1)}.dump.sha256`]: 'x',
		[`a_${stamp(1)}.createdb.sql`]: 'x',
		[`pg_globals_${stamp(1)}.sql`]: 'x',
	};
	assert.equal((await check(beside)).status, 3);
	assert.equal((await check({...beside, [`a_${stamp(30)}.dump`]: 'x'})).status, 2);
});

test('the databases that are named must be there; others are not asked for', async () => {
	const files = {[`a_${stamp(1)}.dump`]: 'x', [`old_${stamp(99)}.dump`]: 'x'};
	assert.equal((await check(files)).status, 2);
	assert.equal((await check(files, ['a'])).status, 0);
	assert.match((await check(files, ['a', 'b'])).text, /CRITICAL - b: no good backup/);
});

test('a dump dated in the future is named and counts for nothing; a clock that is a minute ahead is no future', async () => {
	const ahead = `a_${stamp(-960)}.dump`;
	const only = await check({[ahead]: 'x'});
	assert.deepEqual(only, {
		status: 2,
		text: `PG_BACK CRITICAL - a: no good backup (${ahead} is dated in the future and is ignored)`,
	});
	const beside = await check({[ahead]: 'x', [`a_${stamp(1)}.dump`]: 'x'});
	assert.equal(beside.status, 0);
	assert.match(beside.text, new RegExp(`oldest good backup 1h00m \\(a\\), ${ahead} is dated in the future`));
	const old = await check({[ahead]: 'x', [`a_${stamp(30)}.dump`]: 'x'});
	assert.equal(old.status, 2);
	assert.match(old.text, /a: 1d06h old \(a_.* is dated in the future/);
	const skewed = await check({[`a_${stamp(-1 / 60)}.dump`]: 'x'});
	assert.deepEqual([skewed.status, /\| oldest=0s;/.test(skewed.text)], [0, true], skewed.text);
});

test('a | in a name does not begin the performance data', () => {
	assert.match(told({'a|b': 1}, ['a|b']).text, /^[^|]*a\\x7cb\) \| oldest=/);
});
