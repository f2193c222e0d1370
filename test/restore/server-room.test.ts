/** A restore that cannot fit is stopped before anything is created. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {DatabasePlan} from '../../source/restore/restore-plan.js';
import {directoryFindings, roomFindings} from '../../source/restore/server-room.js';

const plan = (bytes: number, more: {readonly tablespace?: string} & Partial<DatabasePlan> = {}): DatabasePlan =>
	({
		mode: 'create',
		road: 'file',
		prepared: {bytes, format: 'custom', dump: {database: 'app'}},
		definition: {tablespace: more.tablespace},
		...more,
	}) as unknown as DatabasePlan;
const room = new Map([
	['', {path: '/data', free: 100}],
	['fast', {path: '/fast', free: 10}],
]);

test('the dumps of all databases of one place together against what is free there', () => {
	assert.deepEqual(roomFindings([plan(60), plan(40)], room), []);
	const [stop, ...more] = roomFindings([plan(60), plan(41)], room);
	assert.deepEqual([stop?.severity, stop?.code, more.length], ['stop', 'TARGET_LACKS', 0]);
	assert.match(stop?.text ?? '', /^the dumps take 101 B, and \/data of the target has 100 B free$/);
	assert.match(roomFindings([plan(11, {tablespace: 'fast'}), plan(60)], room)[0]?.text ?? '', /\/fast/);
	assert.deepEqual(roomFindings([plan(90, {tablespace: 'not there'})], room), [], 'it comes into the data directory');
	assert.deepEqual(roomFindings([plan(200, {mode: 'skip'}), plan(200, {mode: 'only'})], room), []);
	assert.deepEqual(roomFindings([plan(200)], new Map()), [], 'a server of another machine');
});

test('a dump that has to be a file against the directory for fetched dumps', () => {
	assert.deepEqual(directoryFindings([plan(100), plan(200, {road: 'stream'}), plan(200, {road: 'in place'})], 100), []);
	const [stop] = directoryFindings([plan(101)], 100);
	assert.deepEqual([stop?.severity, stop?.code, stop?.database], ['stop', 'FILE_SYSTEM', 'app']);
	assert.match(stop?.hint ?? '', /--stream yes/);
});
