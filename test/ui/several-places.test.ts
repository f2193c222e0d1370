import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import type {JobState} from '../../source/core/run-state.js';
import {decodeSnapshot, takeSnapshot} from '../../source/core/snapshot.js';
import {unicodeGlyphs} from '../../source/ui/glyphs.js';
import {planStages, stageCells} from '../../source/ui/layout/stages.js';
import {lineText} from '../../source/ui/text.js';

test('each of several places has a column, which tells its own state', () => {
	const bus = createBus(() => 0);
	const job = 'database:a';
	const places = ['s3', 'sftp'];
	bus.emit({
		type: 'run.planned',
		jobs: [{id: job, kind: 'database', name: 'a', stages: ['dump', 'upload'], places}],
		concurrency: 1,
		destinations: ['/var/backups', 's3://bucket/', 'sftp://host/backups/'],
	});
	const shown = () => {
		const state = bus.state();
		const one = state.jobs.get(job) as JobState;
		return lineText(stageCells(one, planStages(state), true, unicodeGlyphs));
	};
	const {waiting, running, done, failed} = unicodeGlyphs;
	assert.equal(shown(), `dump${waiting} s3${waiting} sftp${waiting}`);
	bus.emit({type: 'job.started', job, attempt: 1});
	bus.emit({type: 'stage.started', job, stage: 'dump'});
	bus.emit({type: 'stage.finished', job, stage: 'dump', outcome: 'done'});
	bus.emit({type: 'stage.started', job, stage: 'upload'});
	for (const place of places) bus.emit({type: 'place.started', job, place});
	bus.emit({type: 'place.finished', job, place: 's3', outcome: 'done', bytes: 10});
	assert.equal(shown(), `dump${done} s3${done} sftp${running}`);
	bus.emit({type: 'place.finished', job, place: 'sftp', outcome: 'failed', bytes: 0});
	bus.emit({type: 'stage.finished', job, stage: 'upload', outcome: 'failed'});
	bus.emit({type: 'job.finished', job, outcome: 'failed', error: {code: 'STORAGE', message: 'it is down'}});
	assert.equal(shown(), `dump${done} s3${done} sftp${failed}`);
	const copied = decodeSnapshot(JSON.parse(JSON.stringify(takeSnapshot(bus.state()))));
	assert.deepEqual(copied.jobs.get(job)?.uploadTo, bus.state().jobs.get(job)?.uploadTo);
	bus.emit({type: 'job.queued', job, from: 'upload'});
	assert.equal(shown(), `dump${done} s3${done} sftp${waiting}`, 'only what it lacks is sent');
});

test('the end of a stall at one place says nothing of another', () => {
	const bus = createBus(() => 0);
	bus.emit({type: 'network.stalled', location: 's3://bucket/', since: 5});
	bus.emit({type: 'network.stalled', location: 'sftp://host/'});
	assert.equal(bus.state().network?.location, 's3://bucket/');
	bus.emit({type: 'network.stalled', location: 's3://bucket/'});
	assert.equal(bus.state().network, undefined);
});
