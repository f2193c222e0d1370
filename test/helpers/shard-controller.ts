/**
 * A small engine for the shards of a run: it starts one process for each index, kills some, restarts them, and starts
 * some twice, as Kubernetes does when a node is lost.
 */
import {setTimeout as delay} from 'node:timers/promises';
import {type Ended, type Running, startProgram} from './program.js';

export type ControllerOptions = {
	readonly shards: number;
	/** Returns the program's arguments for the process of this index (from 0). */
	readonly args: (index: number) => readonly string[];
	/** The number of concurrent processes. */
	readonly parallel: number;
	/** The total number of killed processes. */
	readonly kills?: number;
	/** The number of processes that are started although one of the same index is running. */
	readonly doubles?: number;
	/** Milliseconds within which a process that is to be killed is killed. */
	readonly within?: number;
	/** 0 to 1. */
	readonly random?: () => number;
};

export type ShardOutcome = {
	/** Of all processes that ended by themselves. */
	readonly ended: readonly (Ended & {readonly index: number})[];
	readonly killed: number;
	/** Milliseconds that the last, successful process of each index took. */
	readonly milliseconds: readonly number[];
};

/** The same numbers for the same seed. */
export function seededRandom(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 32;
	};
}

/**
 * Resolves when a process of each index has ended with status 0; rejects when one that was not killed did not, and then
 * only after all others have ended too.
 */
export async function runShards(options: ControllerOptions): Promise<ShardOutcome> {
	const {shards, args, parallel, random = Math.random, within = 1500} = options;
	let kills = options.kills ?? 0;
	let doubles = options.doubles ?? 0;
	let killed = 0;
	const ended: (Ended & {index: number})[] = [];
	const milliseconds: number[] = [];
	const start = (index: number): Promise<Running> =>
		startProgram(args(index), {env: {JOB_COMPLETION_INDEX: String(index)}, detached: true});

	const attempt = async (index: number, mayKill: boolean): Promise<boolean> => {
		const running = await start(index);
		const isVictim = mayKill && kills > 0 && random() < 0.5;
		if (isVictim) {
			kills--;
			void delay(random() * within).then(() => {
				// The whole group, including pg_dump, as when a host is lost.
				try {
					process.kill(-running.pid, 'SIGKILL');
				} catch {
					// It has ended already.
				}
			});
		}
		const end = await running.ended;
		if (end.signal === 'SIGKILL') {
			killed++;
			return false;
		}
		ended.push({...end, index});
		if (end.code !== 0) throw new Error(`shard ${index} ended with ${end.code}:\n${end.stderr}`);
		return true;
	};
	const untilDone = async (index: number): Promise<void> => {
		const double = doubles > 0 && random() < 0.5;
		if (double) doubles--;
		const last = async (): Promise<void> => {
			for (;;) {
				const started = performance.now();
				if (!(await attempt(index, true))) continue;
				milliseconds[index] = performance.now() - started;
				return;
			}
		};
		await together([...(double ? [attempt(index, true)] : []), last()]);
	};
	const waiting = Array.from({length: shards}, (_, index) => index);
	const work = async (): Promise<void> => {
		for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) await untilDone(index);
	};
	await together(Array.from({length: parallel}, work));
	return {ended, killed, milliseconds};
}

/** Waits for all, and then rejects with the first reason if there is one: no process outlives its round. */
async function together(work: readonly Promise<unknown>[]): Promise<void> {
	const failed = (await Promise.allSettled(work)).find(({status}) => status === 'rejected');
	if (failed?.status === 'rejected') throw failed.reason as Error;
}
