/** Fuzzes one kind of text in a separate worker, and watches it. */
import {once} from 'node:events';
import {setTimeout as delay} from 'node:timers/promises';
import {Worker} from 'node:worker_threads';
import type {Kind} from './kinds.js';
import type {Fault, Task} from './reader.js';
import {makeText, shrink} from './texts.js';

export type FuzzOptions = {
	readonly kind: string;
	/** The URL of the module that exports `kinds`. */
	readonly module: string;
	/** Total seconds of processor time. */
	readonly seconds: number;
	readonly seed: number;
	/** Seconds of processor time for one text: more counts as a hang. */
	readonly limit?: number;
};

export type FuzzResult = {
	readonly kind: string;
	readonly seed: number;
	/** How many texts were read. */
	readonly count: number;
	readonly fault?: Fault;
};

/** Ends after the first fault. Never rejects because of a text. */
export async function fuzzKind({kind, module, seconds, seed, limit = 1}: FuzzOptions): Promise<FuzzResult> {
	const {count, fault, broken} = await watch({module, kind, texts: {seed}}, limit, seconds);
	if (broken === undefined) return {kind, seed, count, ...(fault && {fault})};
	const {kinds} = (await import(module)) as {readonly kinds: Readonly<Record<string, Kind>>};
	const text = makeText(seed, count - 1, kinds[kind]?.samples ?? []);
	// Each try costs a worker, and a hang the whole limit.
	const breaks = async (shorter: string) =>
		(await watch({module, kind, texts: {text: shorter}}, limit)).broken !== undefined;
	return {kind, seed, count, fault: {text: await shrink(text, breaks, 40), reason: broken}};
}

/** `broken`: the worker did not get as far as reporting the problem. */
type Watched = {readonly count: number; readonly fault?: Fault; readonly broken?: string};

async function watch(task: Omit<Task, 'progress'>, limit: number, seconds = Infinity): Promise<Watched> {
	const progress = new Int32Array(new SharedArrayBuffer(8));
	const worker = new Worker(new URL('./reader.ts', import.meta.url), {
		workerData: {...task, progress} satisfies Task,
	});
	const ended = outcomeOf(worker);
	let text = {number: 0, began: 0};
	let began: number | undefined;
	for (;;) {
		const end = await Promise.race([ended, delay(50)]);
		const number = Atomics.load(progress, 0);
		if (end !== undefined) return {count: number, ...end};
		const used = await worker.cpuUsage().then(
			({user, system}) => (user + system) / 1e6,
			() => undefined, // it has just exited
		);
		if (used === undefined || number === 0) continue;
		began ??= used;
		if (used - began >= seconds) Atomics.store(progress, 1, 1);
		if (number !== text.number) text = {number, began: used};
		else if (used - text.began > limit) {
			await worker.terminate();
			return {count: number, broken: `a hang: more than ${limit} s of processor time`};
		}
	}
}

/** A worker that exits without a message is reported too: a promise that never settles. */
async function outcomeOf(worker: Worker): Promise<{readonly fault?: Fault; readonly broken?: string}> {
	let said: {readonly fault?: Fault} | undefined;
	worker.on('message', (fault: Fault | undefined) => (said = fault === undefined ? {} : {fault}));
	const failed = new Promise<Error>(resolve => worker.on('error', resolve));
	const exited = once(worker, 'exit').then(([status]) => new Error(`the thread ended with status ${String(status)}`));
	const error = await Promise.race([failed, exited]);
	await exited;
	return said ?? {broken: error.stack ?? error.message};
}
