/** How the data of a directory dump is ordered and divided. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {ArchiveEntry, ArchiveToc} from '../../source/postgres/archive-toc.js';
import {largeObjects, memberBatches} from '../../source/restore/dump-members.js';
import {loadOrder} from '../../source/restore/load-order.js';

type Given = Pick<ArchiveEntry, 'dumpId' | 'kind' | 'section'> & Partial<ArchiveEntry>;

function tocOf(...entries: readonly Given[]): ArchiveToc {
	const rest = {tag: 't', definition: '', copy: '', schema: 'public', owner: '', dependencies: [], hasData: false};
	return {entries: entries.map(entry => ({...rest, ...entry}))} as unknown as ArchiveToc;
}

const table = (dumpId: number): Given => ({dumpId, kind: 'TABLE', section: 'pre-data'});
const data = (dumpId: number, of: number): Given => ({
	...{dumpId, kind: 'TABLE DATA', section: 'data', hasData: true, dependencies: [of], member: `${dumpId}.dat`},
});

test('large objects are created before the data, privileges and sequence values come after it', () => {
	const toc = tocOf(
		...[
			table(1),
			{dumpId: 2, kind: 'ACL', section: 'none'} as const,
			{dumpId: 3, kind: 'COMMENT', section: 'none'} as const,
		],
		...[data(4, 1), {dumpId: 5, kind: 'BLOB METADATA', section: 'data'} as const],
		...[
			{dumpId: 6, kind: 'SEQUENCE SET', section: 'data'} as const,
			{dumpId: 7, kind: 'INDEX', section: 'post-data'} as const,
		],
		...[
			{dumpId: 8, kind: 'COMMENT', section: 'none'} as const,
			{dumpId: 9, kind: 'DATABASE', section: 'none'} as const,
		],
	);
	const {before, data: loaded, after} = loadOrder(toc, undefined, {superuser: true});
	assert.deepEqual([before, loaded.map(({dumpId}) => dumpId), after], [[1, 3, 5], [4], [2, 6, 7, 8]]);
	const chosen = loadOrder(toc, [1, 7], {superuser: true});
	assert.deepEqual([chosen.before, chosen.data, chosen.after], [[1], [], [7]]);
});

test('large tables are loaded alone and first, small ones together, those of extensions in the order of the dump', () => {
	const toc = tocOf(table(1), table(2), table(3), data(11, 1), data(12, 2), data(13, 3), data(14, 101), data(15, 102));
	const sizes = new Map([
		...[
			[11, 1000],
			[12, 9 << 20],
			[13, 2000],
			[14, 1 << 10],
			[15, 9 << 20],
		].map(([id = 0, size = 0]) => [id, size] as const),
	]);
	const batches = memberBatches(
		toc,
		toc.entries.filter(({hasData}) => hasData),
		({dumpId}) => sizes.get(dumpId) ?? 0,
	);
	assert.deepEqual(
		batches.map(({entries}) => entries.map(({dumpId}) => dumpId)),
		[[14, 15], [12], [13, 11]],
	);
});

test('a list of large objects names only files', () => {
	assert.deepEqual(largeObjects('4294967295 blob_4294967295.dat\n'), [
		{oid: 4294967295, member: 'blob_4294967295.dat'},
	]);
	for (const text of ['0 blob_0.dat\n', '4294967296 x\n', 'x\n', '1 a b\n'])
		assert.throws(() => largeObjects(text), {code: 'CORRUPT'});
});
