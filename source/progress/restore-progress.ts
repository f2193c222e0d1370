/**
 * The progress of restores and drills, from pg_restore, the server's view of each job, and the times of the previous
 * one.
 */
import {messageOf} from '../core/errors.js';
import type {Emit, NewEvent} from '../core/events.js';
import {takeLoadSample} from '../postgres/load-sample.js';
import type {Session} from '../postgres/session.js';
import type {Estimates} from '../runs/ticker.js';
import {type History, readHistory, writeHistory} from './history.js';
import {type ExpectedRestore, LoadTracker} from './load-tracker.js';
import {startSampler} from './sampler.js';

export type RestoreProgressOptions = {
	readonly emit: Emit;
	readonly now: () => number;
	/** Seconds between two samples of the server; 0: none. */
	readonly interval: number;
	/** Opens a separate session on the server. */
	readonly connect: () => Promise<Session>;
	/** The application name of loading sessions. */
	readonly application: string;
	/** The directory of the history for the next one. */
	readonly directory: string;
	/** Distinguishes dumped servers. */
	readonly cluster: string;
};

export type RestoreProgress = Estimates & {
	/**
	 * Called when a job starts to load. `onData` is called when all of its data is loaded and its indexes are still to be
	 * built.
	 */
	readonly begin: (job: ExpectedRestore, onData: () => void) => LoadTracker;
	/** Receives all events of the jobs. */
	readonly see: (event: NewEvent) => void;
	/** Closes the session, and saves what was learned. */
	readonly stop: () => Promise<void>;
};

/** Seconds of a restore that are worth a forecast. */
const worthKeeping = 5;

export async function startRestoreProgress(options: RestoreProgressOptions): Promise<RestoreProgress> {
	const {emit, now, directory} = options;
	const cluster = `restore of ${options.cluster}`;
	const history: History = await readHistory(directory);
	const running = new Map<string, LoadTracker>();
	let learned = false;
	const stopSampler =
		options.interval > 0
			? startSampler({
					connect: options.connect,
					interval: options.interval * 1000,
					now,
					applications: () => (running.size > 0 ? [options.application] : []),
					take: takeLoadSample,
					what: 'restores',
					onSample(sessions) {
						for (const tracker of running.values()) tracker.add(sessions, now());
					},
					warn: text => emit({type: 'log', level: 'info', text}),
				})
			: undefined;
	return {
		begin(job, onData) {
			const tracker = new LoadTracker(job, history.past(cluster, job.name), now(), onData);
			running.set(job.id, tracker);
			return tracker;
		},
		see(event) {
			if (event.type !== 'job.finished') return;
			const tracker = running.get(event.job);
			running.delete(event.job);
			if (!tracker || event.outcome !== 'done') return;
			const past = tracker.past(now());
			if (past.seconds < worthKeeping) return;
			history.record(cluster, tracker.job.name, past);
			learned = true;
		},
		estimate: (job, stages) => running.get(job)?.progress(now(), stages) ?? {},
		totals: () => undefined,
		async stop() {
			await stopSampler?.();
			if (!learned) return;
			await writeHistory(directory, history).catch((error: unknown) => {
				const text = `cannot save the times of this restore for the progress of the next one: ${messageOf(error)}`;
				emit({type: 'log', level: 'debug', text});
			});
		},
	};
}
