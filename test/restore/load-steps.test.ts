/** What several processes of pg_restore may load at once. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {ArchiveEntry} from '../../source/postgres/archive-toc.js';
import {loadSteps} from '../../source/restore/load-steps.js';

function entry(
	dumpId: number,
	kind: string,
	dependencies: readonly number[] = [],
	{tag = 't', definition = ''} = {},
): ArchiveEntry {
	return {dumpId, kind, dependencies, tag, definition} as unknown as ArchiveEntry;
}

const all = [
	entry(1, 'TABLE'),
	entry(2, 'DATABASE'),
	entry(3, 'INDEX', [1]),
	entry(4, 'FK CONSTRAINT', [8]), // listed before what it depends on
	entry(5, 'FK CONSTRAINT', [1]),
	entry(6, 'INDEX ATTACH', [3]),
	entry(8, 'COMMENT', [6]),
	entry(9, 'ACL', [1]),
	entry(10, 'MATERIALIZED VIEW DATA'),
	entry(11, 'EVENT TRIGGER'),
	entry(12, 'COMMENT', [], {tag: 'EVENT TRIGGER x'}),
	entry(13, 'STATISTICS DATA', [3]),
];

test('indexes of partitions are attached alone; what needs them, privileges and event triggers follow', () => {
	assert.deepEqual(loadSteps(all, undefined), [
		{ids: [1, 3, 5], isSerial: false},
		{ids: [6], isSerial: true},
		{ids: [4, 8, 9, 10, 11, 12, 13], isSerial: false},
	]);
});

test('one call loads entries without such an index, and no step is empty', () => {
	assert.equal(loadSteps(all, [1, 3, 5, 9]), undefined);
	assert.deepEqual(loadSteps(all, [6]), [{ids: [6], isSerial: true}]);
});

test('an index that is the replica identity is built alone if its table is clustered on another one', () => {
	const create = 'CREATE UNIQUE INDEX i ON t (a);\n\n';
	const clustered = {definition: `${create}ALTER TABLE t CLUSTER ON i;\n\n`};
	const identity = {definition: `${create}ALTER TABLE ONLY t REPLICA IDENTITY USING INDEX i;\n\n`};
	const index = [entry(1, 'TABLE'), entry(2, 'INDEX', [1], clustered)];
	const steps = [
		{ids: [1, 2, 5], isSerial: false},
		{ids: [3], isSerial: true},
		{ids: [4], isSerial: false},
	];
	const other = [entry(4, 'COMMENT', [3]), entry(5, 'INDEX', [1])];
	assert.deepEqual(loadSteps([...index, entry(3, 'INDEX', [1], identity), ...other], undefined), steps);
	assert.equal(loadSteps([...index, entry(3, 'INDEX', [6], identity), ...other], undefined), undefined);
	const both = {definition: `${clustered.definition}${identity.definition}`};
	assert.equal(loadSteps([entry(1, 'TABLE'), entry(2, 'INDEX', [1], both)], undefined), undefined);
});
