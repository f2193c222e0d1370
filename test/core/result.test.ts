/** A job that made nothing, though nothing failed, is never called ok. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {NewEvent} from '../../source/core/events.js';
import {isSkipped, jobWord} from '../../source/core/jobs.js';
import type {RunState} from '../../source/core/run-state.js';
import {emptyState, reduce} from '../../source/core/state.js';
import {summaryLine, summaryRows} from '../../source/core/summary.js';
import {backupMetrics} from '../../source/reporters/backup-metrics.js';
import {asciiGlyphs} from '../../source/ui/glyphs.js';
import {shownReason} from '../../source/ui/layout/job-name.js';
import {stageMark} from '../../source/ui/layout/stages.js';
import {renderSummary} from '../../source/ui/summary.js';

const events: readonly NewEvent[] = [
	{
		type: 'run.planned',
		jobs: [
			{id: 'database:a', kind: 'database', name: 'a', stages: ['dump']},
			{id: 'database:b', kind: 'database', name: 'b', stages: ['dump']},
			{id: 'hba', kind: 'hba', name: 'hba_file', stages: ['dump']},
		],
		concurrency: 1,
		destinations: [],
	},
	...['database:a', 'database:b', 'hba'].map(job => ({type: 'job.started', job, attempt: 1}) as const),
	{type: 'stage.started', job: 'database:b', stage: 'dump'},
	{type: 'job.result', job: 'database:b', result: 'gone', detail: 'it was dropped'},
	{type: 'job.result', job: 'hba', result: 'skipped', detail: 'user u lacks a right'},
	...['database:a', 'database:b', 'hba'].map(job => ({type: 'job.finished', job, outcome: 'done'}) as const),
];

function run(): RunState {
	return events.reduce<RunState>((state, event) => reduce(state, {...event, time: 1}), emptyState);
}

test('what was skipped stands as such, with its reason, in the log, the table and the counts', () => {
	const state = run();
	assert.deepEqual(
		summaryRows(state).map(({name, result, detail}) => [name, result, detail]),
		[
			['a', 'ok', ''],
			['b', 'gone', 'it was dropped'],
			['hba_file', 'skipped', 'user u lacks a right'],
		],
	);
	assert.match(summaryLine(state), /^1 done, 2 skipped, /);
	const log = state.log.map(line => line.text);
	assert.ok(log.includes('dump of b skipped: it was dropped'), log.join('\n'));
	assert.ok(log.includes('hba_file skipped: user u lacks a right'), log.join('\n'));
	assert.ok(!log.some(text => /\b(b|hba_file) done/.test(text)), log.join('\n'));
});

test('the console shows it so, and no stage of it as done or failed', () => {
	const state = run();
	const gone = state.jobs.get('database:b') ?? assert.fail();
	assert.ok(isSkipped(gone));
	assert.equal(jobWord(gone), 'gone');
	assert.equal(stageMark(gone, 'dump'), 'notAsked');
	assert.equal(shownReason(gone, asciiGlyphs), 'gone: it was dropped');
	assert.match(renderSummary(state, {columns: 80, glyphs: asciiGlyphs}), /1 done, 2 skipped/);
});

test('it is no success for monitoring, and no failure', () => {
	const text = backupMetrics(run(), '');
	assert.match(text, /database_success\{database="a"\} 1/);
	assert.doesNotMatch(text, /database="b"/);
	assert.match(text, /last_failed_jobs 0/);
});

test('a later attempt forgets it', () => {
	const again = reduce(run(), {type: 'job.started', job: 'database:b', attempt: 2, time: 2});
	assert.equal(again.jobs.get('database:b')?.result, undefined);
});
