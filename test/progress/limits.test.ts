import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {DumpSession} from '../../source/postgres/progress-sample.js';
import {limitOf, LimitWatch} from '../../source/progress/limits.js';

function copying(waitEvent?: string): DumpSession {
	return {
		pid: 1,
		application: 'a',
		database: 'd',
		state: 'active',
		copy: {relation: 1, bytes: 1, rows: 1},
		...(waitEvent !== undefined && {waitEvent}),
	};
}
const writes = copying('Client:ClientWrite');
const plain = {compresses: false, encrypts: false, workers: 1};
const gzip = {...plain, compresses: true};

test('a busy process is the limit, and the server if no local process is busy', () => {
	assert.equal(limitOf({sessions: [writes], dumpCores: 0.98, ownCores: 0.1}, gzip), 'compression');
	assert.equal(limitOf({sessions: [writes, writes], dumpCores: 0.98, ownCores: 0.1}, {...gzip, workers: 2}), undefined);
	assert.equal(limitOf({sessions: [writes], ownCores: 0.1}, gzip), 'compression');
	assert.equal(limitOf({sessions: [copying()], dumpCores: 0.3, ownCores: 0.1}, gzip), 'server');
	assert.equal(limitOf({sessions: [copying('IO:DataFileRead')], dumpCores: 0.3, ownCores: 0.1}, plain), 'server');
	assert.equal(limitOf({sessions: [writes], dumpCores: 0.2, ownCores: 0.95}, {...plain, encrypts: true}), 'encryption');
	assert.equal(limitOf({sessions: [writes], dumpCores: 0.2, ownCores: 0.1}, plain), 'disk');
	const idle = {sessions: [writes], dumpCores: 0.2, ownCores: 0.1};
	assert.equal(
		limitOf({...idle, pressure: {cpu: 0.98, io: 0.02}}, plain),
		'CPU',
		'the processors are full, not the disk',
	);
	assert.equal(limitOf({...idle, pressure: {cpu: 0.98, io: 0.6}}, plain), 'disk');
	assert.equal(limitOf({...idle, pressure: {cpu: 0, io: 0}}, plain), undefined);
	assert.equal(limitOf({sessions: [{...writes, copy: undefined}], dumpCores: 1, ownCores: 0}, gzip), undefined);
});

test('one sample says nothing; most of the last ones do', () => {
	const watch = new LimitWatch(gzip);
	for (let index = 0; index < 4; index++) watch.add({sessions: [writes], dumpCores: 1, ownCores: 0});
	assert.equal(watch.limit, undefined);
	watch.add({sessions: [writes], dumpCores: 1, ownCores: 0});
	assert.equal(watch.limit, 'compression');
	for (let index = 0; index < 10; index++) watch.add({sessions: [copying()], dumpCores: 0.1, ownCores: 0});
	assert.equal(watch.limit, 'server');
	assert.equal(watch.share('compression'), 5 / 15);
});
