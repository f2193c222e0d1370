import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createFileProgress} from '../../source/runs/file-progress.js';

test('bytes that were there already count for the percentage, not for the rate', () => {
	let time = 0;
	const progress = createFileProgress(() => time);
	const plan = {id: 'j', kind: 'download', name: 'x', stages: ['download'], estimatedBytes: 1000} as const;
	progress.see({type: 'run.planned', jobs: [plan], concurrency: 1, destinations: []});
	progress.see({type: 'job.started', job: 'j', attempt: 1});
	const at = (now: number, bytesIn: number, present: number) => {
		time = now;
		return progress.estimate('j', {download: {bytesIn, bytesOut: bytesIn, present}});
	};
	at(0, 0, 0);
	assert.equal(at(250, 600, 600).rate, 0);
	const {fraction, rate, eta} = at(1000, 700, 600);
	assert.deepEqual([fraction, rate, eta], [0.7, 100, 3]);
});
