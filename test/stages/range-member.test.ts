import assert from 'node:assert/strict';
import {test} from 'node:test';
import {dumpJobs} from '../../source/backup/split-tables.js';
import {copiedRange, divide, exactPattern, rangeQuery} from '../../source/postgres/split-tables.js';
import {memberCompression, memberSuffix} from '../../source/stages/range-member.js';

test('members are compressed as pg_dump compresses them', () => {
	for (const [setting, method, level, suffix] of [
		[undefined, 'gzip', undefined, '.gz'],
		['6', 'gzip', 6, '.gz'],
		['0', 'none', undefined, ''],
		['none', 'none', undefined, ''],
		['gzip', 'gzip', undefined, '.gz'],
		['gzip:level=9', 'gzip', 9, '.gz'],
		['zstd:3', 'zstd', 3, '.zst'],
		['zstd:level=5,workers=2', 'zstd', 5, '.zst'],
	] as const) {
		const compression = memberCompression(setting);
		assert.ok(compression);
		assert.deepEqual(compression, {method, level}, setting);
		assert.equal(memberSuffix(compression), suffix);
	}
	for (const refused of ['lz4', 'lz4:1', 'zstd:long', 'zstd:level=3,long=on'])
		assert.equal(memberCompression(refused), undefined);
});

test('ranges cover every page once, and the last has no end', () => {
	for (const [pages, parts] of [
		[0, 4],
		[1, 4],
		[7, 3],
		[1000, 256],
	] as const) {
		const ranges = divide(pages, parts);
		assert.equal(ranges[0]?.from, 0);
		assert.equal(ranges.at(-1)?.to, undefined);
		for (const [index, {to}] of ranges.slice(0, -1).entries()) assert.equal(to, ranges[index + 1]?.from);
		assert.ok(ranges.every(({from, to}) => to === undefined || to > from));
	}
});

test('sessions are divided by size, at least one for each side', () => {
	assert.deepEqual(
		[dumpJobs(2, 1), dumpJobs(2, 0.01), dumpJobs(8, 0.5), dumpJobs(8, 0.99), dumpJobs(8, 0)],
		[1, 1, 4, 1, 7],
	);
});

test('a statement says which table it reads, and how much of it was copied before', () => {
	const query = rangeQuery(16_400, {from: 10, to: 20}, {rows: 5, bytes: 77});
	const text = /'(copy \/\*.*\*\/)/.exec(query)?.[1] ?? '';
	assert.deepEqual(copiedRange(`${text} (select`), {oid: 16_400, rows: 5, bytes: 77});
	assert.equal(copiedRange('COPY public.t (a) TO stdout;'), undefined);
	assert.equal(exactPattern({schema: 'a"b', name: 'c.*'}), '"a""b"."c.*"');
});
