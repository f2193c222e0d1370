/** What can be built as soon as a table is loaded. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {ArchiveEntry, ArchiveToc} from '../../source/postgres/archive-toc.js';
import {EarlyBuilds} from '../../source/restore/early-builds.js';
import {loadOrder} from '../../source/restore/load-order.js';

type Fields = Partial<Pick<ArchiveEntry, 'tag' | 'definition' | 'copy'>>;

function entry(dumpId: number, kind: string, dependencies: readonly number[] = [], fields: Fields = {}): ArchiveEntry {
	const hasData = kind === 'TABLE DATA';
	const section = kind === 'TABLE' ? 'pre-data' : hasData ? 'data' : 'post-data';
	const {tag = 't', definition = ''} = fields;
	const copy = fields.copy ?? (hasData ? `COPY public.${tag} (i) FROM stdin;\n` : '');
	return {dumpId, kind, section, dependencies, tag, schema: 'public', definition, copy, hasData} as ArchiveEntry;
}

const tables = [entry(1, 'TABLE'), entry(2, 'TABLE', [], {tag: 'u'}), entry(3, 'TABLE', [], {tag: 'v'})];
const data = [
	entry(11, 'TABLE DATA', [1]),
	entry(12, 'TABLE DATA', [2], {tag: 'u'}),
	entry(13, 'TABLE DATA', [2], {tag: 'u'}),
];
const after = [
	entry(21, 'CONSTRAINT', [1]),
	entry(22, 'INDEX', [1]),
	entry(23, 'FK CONSTRAINT', [1, 21]),
	entry(24, 'INDEX', [2], {tag: 'u'}),
	entry(25, 'INDEX', [3], {tag: 'v'}),
	entry(26, 'INDEX ATTACH', [24]),
	entry(27, 'CONSTRAINT', [1, 22]),
	entry(28, 'TRIGGER', [1]),
	entry(29, 'ACL', [1]),
];

function buildsOf(entries: readonly ArchiveEntry[], chosen?: readonly number[]): readonly (readonly number[])[] {
	const toc = {entries} as ArchiveToc;
	const order = loadOrder(toc, chosen, {superuser: true});
	const builds = new EarlyBuilds(toc, order, []);
	return order.data.map(one => {
		builds.loaded(one);
		const ids: number[] = [];
		// Of unknown size: each is built by a call of its own.
		while (builds.isReady) ids.push(...builds.take());
		return ids;
	});
}

test('one large index is a call, small ones share one; what is not taken is left', () => {
	const indexes = [21, 22, 23, 24].map(id => entry(id, 'INDEX', [1], {tag: `i${id}`}));
	const entries: readonly ArchiveEntry[] = [...tables.slice(0, 1), ...data.slice(0, 1), ...indexes];
	const toc = {entries} as ArchiveToc;
	const order = loadOrder(toc, undefined, {superuser: true});
	const sizes = [1, 1, 100, 1].map(megabytes => megabytes << 20);
	const items = indexes.map((one, index) => ({
		name: `INDEX public.${one.tag}`,
		isData: false,
		bytes: sizes[index] ?? 0,
	}));
	const builds = new EarlyBuilds(toc, order, items);
	builds.loaded(order.data[0] ?? assert.fail());
	assert.deepEqual(builds.take(), [21, 22, 23]);
	assert.deepEqual(builds.rest(order.after), [24]);
});

test('indexes and keys of a table, when all of its data is loaded', () => {
	assert.deepEqual(buildsOf([...tables, ...data, ...after]), [[21, 22], [], [24]]);
});

test('only what is restored', () => {
	assert.deepEqual(buildsOf([...tables, ...data, ...after], [1, 11, 22]), [[22]]);
});

test('nothing, if rows are copied into another table than their own', () => {
	const root = entry(14, 'TABLE DATA', [3], {tag: 'v', copy: 'COPY public.root (i) FROM stdin;\n'});
	assert.deepEqual(buildsOf([...tables, ...data, root, ...after]), [[], [], [], []]);
	const inserts = entry(14, 'TABLE DATA', [3], {tag: 'v', copy: ''});
	assert.deepEqual(buildsOf([...tables, ...data, inserts, ...after]), [[], [], [], []]);
});

test('no index that must be built alone', () => {
	const clustered = entry(31, 'INDEX', [1], {definition: 'CREATE INDEX c ON t (i);\nALTER TABLE t CLUSTER ON c;\n'});
	const identity = entry(32, 'INDEX', [1], {
		definition: 'CREATE UNIQUE INDEX r ON t (i);\nALTER TABLE ONLY t REPLICA IDENTITY USING INDEX r;\n',
	});
	assert.deepEqual(buildsOf([...tables.slice(0, 1), ...data.slice(0, 1), clustered, identity]), [[31]]);
});
