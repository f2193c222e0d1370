import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {NewEvent} from '../../source/core/events.js';
import {JobMeter} from '../../source/stages/meter.js';
import {placeMeters} from '../../source/stages/place-meters.js';

test('several places are one stage, whose bytes are their mean', async () => {
	const events: NewEvent[] = [];
	const meter = new JobMeter('a', event => events.push(event));
	const [one, other] = placeMeters(meter, ['s3', 'sftp'], event => events.push({...event, job: 'a'}));
	assert.ok(one && other);
	for (const each of [one, other]) each.start('upload');
	one.start('upload');
	one.count('upload', 101);
	assert.deepEqual(await meter.sample(), {upload: {bytesIn: 50, bytesOut: 50}});
	other.count('upload', 101);
	assert.deepEqual(await meter.sample(), {upload: {bytesIn: 101, bytesOut: 101}});
	one.count('upload', -101);
	assert.deepEqual(await meter.sample(), {upload: {bytesIn: 50, bytesOut: 50}});
	one.finish('upload', 'failed');
	other.finish('upload');
	assert.ok((await meter.sample()).upload, 'the job ends the stage');
	meter.finish('upload', 'failed');
	assert.deepEqual(
		events.map(event => [event.type, 'place' in event ? event.place : '', 'outcome' in event ? event.outcome : '']),
		[
			['stage.started', '', ''],
			['place.started', 's3', ''],
			['place.started', 'sftp', ''],
			['place.finished', 's3', 'failed'],
			['place.finished', 'sftp', 'done'],
			['stage.finished', '', 'failed'],
		],
	);
});
