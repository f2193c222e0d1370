import assert from 'node:assert/strict';
import {getEventListeners} from 'node:events';
import {test} from 'node:test';
import {CancelledError, PgBackError} from '../../source/core/errors.js';
import type {NewEvent} from '../../source/core/events.js';
import {eventError, type JobControl, Scheduler, type Task} from '../../source/runs/scheduler.js';

type Held = {
	readonly task: Task;
	readonly control: () => JobControl | undefined;
	readonly end: (error?: unknown) => void;
};

/** A task that ends when it is told to, or when it is aborted. */
function held(id: string): Held {
	let control: JobControl | undefined;
	let settle: {resolve: () => void; reject: (error: unknown) => void} | undefined;
	const run = (given: JobControl) =>
		new Promise<void>((resolve, reject) => {
			control = given;
			settle = {resolve, reject};
			given.signal.addEventListener('abort', () => reject(given.signal.reason as Error));
		});
	return {
		task: {plan: {id, kind: 'database', name: id, stages: []}, run},
		control: () => control,
		end: error => (error === undefined ? settle?.resolve() : settle?.reject(error)),
	};
}

function setUp(concurrency: number, count: number) {
	const events: NewEvent[] = [];
	const run = new AbortController();
	const scheduler = new Scheduler({concurrency, emit: event => events.push(event), signal: run.signal});
	const tasks = Array.from({length: count}, (_, index) => held(`j${index}`));
	scheduler.add(tasks.map(({task}) => task));
	const running = () => tasks.filter(task => task.control() !== undefined).length;
	const outcomes = () => scheduler.outcomes().map(({outcome}) => outcome);
	return {events, run, scheduler, tasks, running, outcomes};
}
const turn = () => new Promise(resolve => setImmediate(resolve));

test('so many at a time, in their order; the rest when one ends', async () => {
	const {scheduler, tasks, running, outcomes} = setUp(2, 4);
	assert.equal(running(), 2);
	tasks[0]?.end();
	await turn();
	assert.equal(running(), 3);
	for (const task of tasks) {
		task.end();
		await turn();
	}
	tasks[3]?.end();
	await scheduler.idle();
	assert.deepEqual(outcomes(), ['done', 'done', 'done', 'done']);
});

test('a slot that is given back early lets the next begin; giving it back twice counts once', async () => {
	const {tasks, running} = setUp(1, 3);
	tasks[0]?.control()?.freeSlot();
	tasks[0]?.control()?.freeSlot();
	await turn();
	assert.equal(running(), 2);
	tasks[0]?.end();
	await turn();
	assert.equal(running(), 2, 'its end frees nothing once more');
});

test('at most as many slots are lent as exist; a job that may not lend keeps its slot until it frees it', async () => {
	const {tasks, running} = setUp(1, 4);
	tasks[0]?.control()?.lendSlot();
	await turn();
	assert.equal(running(), 2);
	tasks[1]?.control()?.lendSlot();
	await turn();
	assert.equal(running(), 2, 'one is finishing already');
	tasks[0]?.control()?.freeSlot();
	tasks[1]?.control()?.lendSlot();
	await turn();
	assert.equal(running(), 3);
	tasks[0]?.end();
	tasks[1]?.end();
	await turn();
	assert.equal(running(), 3, 'their ends free nothing once more');
	tasks[2]?.control()?.freeSlot();
	await turn();
	assert.equal(running(), 4);
});

test('a failure is kept, and does not stop the others', async () => {
	const {scheduler, tasks, outcomes, events} = setUp(1, 2);
	tasks[0]?.end(new PgBackError('DUMP_FAILED', 'no luck', {hint: 'try again', output: ['last words']}));
	await turn();
	tasks[1]?.end();
	await scheduler.idle();
	assert.deepEqual(outcomes(), ['failed', 'done']);
	const finished = events.find(event => event.type === 'job.finished');
	assert.deepEqual(finished, {
		type: 'job.finished',
		job: 'j0',
		outcome: 'failed',
		error: {code: 'DUMP_FAILED', message: 'no luck', hint: 'try again', output: ['last words']},
	});
});

test('cancelling one: at once when it waits, when its work has ended when it runs', async () => {
	const {scheduler, outcomes} = setUp(1, 2);
	scheduler.cancel('j1');
	scheduler.cancel('j0');
	await scheduler.idle();
	assert.deepEqual(outcomes(), ['cancelled', 'cancelled']);
});

test('a run that is aborted cancels all, with its reason', async () => {
	const {run, scheduler, outcomes} = setUp(1, 3);
	run.abort(new CancelledError('interrupted by SIGTERM', 143));
	await scheduler.idle();
	assert.deepEqual(outcomes(), ['cancelled', 'cancelled', 'cancelled']);
	assert.ok(scheduler.outcomes().every(({error}) => error?.exitCode === 143));
});

test('what failed can be run again, once it has; not after the end', async () => {
	const {scheduler, tasks, outcomes, events} = setUp(1, 1);
	assert.equal(scheduler.retry('j0'), false, 'it runs');
	tasks[0]?.end(new Error('boom'));
	await scheduler.idle();
	assert.deepEqual(outcomes(), ['failed']);
	assert.equal(scheduler.retry('j0'), true);
	assert.equal(tasks[0]?.control()?.attempt, 2);
	tasks[0].end();
	await scheduler.idle();
	assert.deepEqual(outcomes(), ['done']);
	assert.equal(events.filter(event => event.type === 'job.started').length, 2);
	assert.equal(scheduler.retry('j0'), false, 'it is done');
	assert.equal(scheduler.retry('nosuch'), false);
	scheduler.close();
	assert.equal(scheduler.retry('j0'), false);
});

test('an error in an event has no stack and at most twenty lines of output', () => {
	const error = new PgBackError('DUMP_FAILED', 'x', {output: Array.from({length: 50}, (_, i) => String(i))});
	assert.deepEqual(Object.keys(eventError(error)), ['code', 'message', 'output']);
	assert.equal(eventError(error).output?.length, 20);
	assert.equal(eventError(error).output?.at(-1), '49');
});

test('a task that is added after the run was cancelled does not begin', async () => {
	const {run, scheduler, outcomes} = setUp(1, 0);
	run.abort(new CancelledError('interrupted by SIGTERM', 143));
	const late = held('late');
	scheduler.add([late.task]);
	await scheduler.idle();
	assert.equal(late.control(), undefined);
	assert.deepEqual(outcomes(), ['cancelled']);
});

test('closed, nothing of it is left at the signal; not before the last job has ended', async () => {
	const {run, scheduler, outcomes} = setUp(2, 1);
	scheduler.close();
	assert.equal(getEventListeners(run.signal, 'abort').length, 1, 'a job still runs');
	run.abort(new CancelledError());
	await scheduler.idle();
	assert.deepEqual(outcomes(), ['cancelled']);

	const other = setUp(1, 1);
	other.tasks[0]?.end();
	await other.scheduler.idle();
	other.scheduler.close();
	assert.equal(getEventListeners(other.run.signal, 'abort').length, 0);
});
