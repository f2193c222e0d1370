/**
 * The worker in which texts are parsed: a text that hangs blocks this worker, which the watching code then terminates.
 */
import {parentPort, workerData} from 'node:worker_threads';
import {PgBackError} from '../../source/core/errors.js';
import type {Kind} from './kinds.js';
import {makeText, shrink} from './texts.js';

export type Task = {
	/** The URL of a module that exports `kinds`, and which of them. */
	readonly module: string;
	readonly kind: string;
	/** Endless texts made from a seed, or one. */
	readonly texts: {readonly seed: number} | {readonly text: string};
	/** [number of started texts, not 0: stop] */
	readonly progress: Int32Array;
};

/** The error with its text, shortened. */
export type Fault = {readonly text: string; readonly reason: string};

const {module, kind: name, texts, progress} = workerData as Task;
const {kinds} = (await import(module)) as {readonly kinds: Readonly<Record<string, Kind>>};
const kind = kinds[name];
if (kind === undefined) throw new Error(`no such kind: ${name}`);
const {read, samples} = kind;

async function faultOf(text: string): Promise<string | undefined> {
	try {
		await read(text);
	} catch (error) {
		if (error instanceof PgBackError && error.code !== 'BUG') return undefined;
		return error instanceof Error ? (error.stack ?? error.message) : String(error);
	}
	return undefined;
}

async function readAll(): Promise<Fault | undefined> {
	do {
		const number = Atomics.add(progress, 0, 1);
		const text = 'text' in texts ? texts.text : makeText(texts.seed, number, samples);
		if ((await faultOf(text)) === undefined) continue;
		const shortened = await shrink(text, async shorter => (await faultOf(shorter)) !== undefined, 1000);
		return {text: shortened, reason: (await faultOf(shortened)) ?? ''};
	} while (!('text' in texts) && Atomics.load(progress, 1) === 0);
	return undefined;
}

parentPort?.postMessage(await readAll());
