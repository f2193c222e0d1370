/** A restore that cannot fit is stopped before anything is created. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {ManifestFile} from '../../source/repository/manifest.js';
import type {DatabasePlan} from '../../source/restore/restore-plan.js';
import {directoryFindings, roomFindings, type ServerRoom} from '../../source/restore/server-room.js';

const plan = (bytes: number, more: {readonly tablespace?: string} & Partial<DatabasePlan> = {}): DatabasePlan =>
	({
		mode: 'create',
		road: 'file',
		prepared: {bytes, format: 'custom', dump: {database: 'app'}},
		definition: {tablespace: more.tablespace},
		...more,
	}) as unknown as DatabasePlan;
const found = (databases: readonly DatabasePlan[], free: ServerRoom) =>
	roomFindings(databases, free, {known: new Map(), data: true});
const room = new Map([
	['', {path: '/data', free: 100}],
	['fast', {path: '/fast', free: 10}],
]);

test('the dumps of all databases of one place together against what is free there', () => {
	assert.deepEqual(found([plan(60), plan(40)], room), []);
	const [stop, ...more] = found([plan(60), plan(41)], room);
	assert.deepEqual([stop?.severity, stop?.code, more.length], ['stop', 'TARGET_LACKS', 0]);
	assert.match(stop?.text ?? '', /^the dumps take 101 B, and \/data of the target has 100 B free$/);
	assert.match(found([plan(11, {tablespace: 'fast'}), plan(60)], room)[0]?.text ?? '', /\/fast/);
	assert.deepEqual(found([plan(90, {tablespace: 'not there'})], room), [], 'it comes into the data directory');
	assert.deepEqual(found([plan(200, {mode: 'skip'}), plan(200, {mode: 'only'})], room), []);
	assert.deepEqual(found([plan(200)], new Map()), [], 'a server of another machine');
});

test('the size of the dumped databases, and a third more, is only a warning: they can have contained free space', () => {
	const known = new Map([['app', {plain: {databaseSize: 50}} as unknown as ManifestFile]]);
	const sized = plan(10, {prepared: {bytes: 10, format: 'custom', dump: {database: 'app', path: 'app'}}} as never);
	assert.deepEqual(roomFindings([sized], room, {known, data: true}), []);
	const [warning, ...more] = roomFindings([sized, plan(36)], room, {known, data: true});
	assert.deepEqual([warning?.severity, more.length], ['warn', 0]);
	assert.equal(warning?.text, 'the restore needs about 101 B, and /data of the target has 100 B free');
	assert.equal(roomFindings([sized, plan(91)], room, {known, data: true})[0]?.severity, 'stop');
	assert.deepEqual(roomFindings([sized, sized], room, {known, data: false}), [], 'no rows');
});

test('a dump that has to be a file against the directory for fetched dumps', () => {
	assert.deepEqual(directoryFindings([plan(100), plan(200, {road: 'stream'}), plan(200, {road: 'in place'})], 100), []);
	const [stop] = directoryFindings([plan(101)], 100);
	assert.deepEqual([stop?.severity, stop?.code, stop?.database], ['stop', 'FILE_SYSTEM', 'app']);
	assert.match(stop?.hint ?? '', /--stream yes/);
});
