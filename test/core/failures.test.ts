import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createBus} from '../../source/core/bus.js';
import {failureGroups, failureText, shortReason} from '../../source/core/failures.js';

test('the same reason is said once with a count, and its hint once in the log', () => {
	const bus = createBus(() => 0);
	const names = ['a', 'b', 'c', 'd'];
	bus.emit({
		type: 'run.planned',
		jobs: names.map(name => ({id: name, kind: 'database', name, stages: ['dump', 'upload']})),
		concurrency: 1,
		destinations: [],
	});
	for (const name of names) {
		bus.emit({type: 'job.started', job: name, attempt: 1});
		if (name === 'd') {
			const error = {code: 'DUMP_FAILED', message: 'pg_dump of d: permission denied'} as const;
			bus.emit({type: 'job.finished', job: 'd', outcome: 'failed', error});
			continue;
		}
		bus.emit({
			type: 'file.published',
			job: name,
			file: {path: `/b/${name}.dump`, role: 'dump', size: 1, encrypted: false},
		});
		bus.emit({type: 'stage.started', job: name, stage: 'upload'});
		const end = name === 'a' ? ' (gave up after 3 attempts)' : '';
		const message = `could not upload ${name}.dump to s3://b/x/: connection refused${end}`;
		bus.emit({
			type: 'job.finished',
			job: name,
			outcome: 'failed',
			error: {code: 'STORAGE', message, hint: 'see whether the service is up'},
		});
	}
	assert.deepEqual(failureGroups(bus.state()).map(failureText), [
		'3 uploads failed: connection refused',
		'd: pg_dump of d: permission denied',
	]);
	const {log} = bus.state();
	assert.equal(log.filter(line => line.level === 'error').length, 4, 'each job says that it failed, and why');
	assert.equal(log.filter(line => line.level === 'hint').length, 1);
});

test('a row begins with the reason, not with names that the reader knows', () => {
	assert.equal(
		shortReason('could not upload a_2026-11-22T10:02:11+00:00.dump.age to s3://backups/prod/: access denied'),
		'access denied',
	);
	assert.equal(shortReason('pg_dump: error: no'), 'pg_dump: error: no');
});
