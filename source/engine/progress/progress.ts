/** Progress of a backup, put together: the sampler, the inventories, the last run, and what they say of each job and of the run. */
import {messageOf} from '../../core/errors.js';
import type {Emit, JobProgress, NewEvent, RunTotals} from '../../core/events.js';
import {storedData} from '../../postgres/progress-inventory.js';
import type {ServerSample} from '../../postgres/progress-sample.js';
import type {Session} from '../../postgres/session.js';
import type {StageSample} from '../ticker.js';
import type {History} from './history.js';
import {JobProgressTracker, type ExpectedJob} from './job.js';
import {RunProgress} from './run.js';
import {startSampler} from './sampler.js';
import {selectData, type DataChoices} from './selection.js';

export type ExpectedDump = Omit<ExpectedJob, 'past'> & {readonly choices: DataChoices};

export type ProgressOptions = {
	readonly emit: Emit;
	readonly now: () => number;
	/** Seconds between two looks at the server; 0: none. */
	readonly interval: number;
	/** A new session, on a database where one is named. */
	readonly connect: (database?: string) => Promise<Session>;
	readonly concurrency: number;
	readonly dumps: readonly ExpectedDump[];
	/** Jobs that are not dumps, with their size. */
	readonly others: readonly ExpectedJob[];
	readonly history: History;
	/** Tells the server's past from another's. */
	readonly cluster: string;
};

/** Below that a dump is over before its tables are worth a connection. */
export const smallDatabase = 64 * 1024 * 1024;

export class Progress {
	readonly #options: ProgressOptions;
	readonly #run: RunProgress;
	readonly #dumps: ReadonlyMap<string, ExpectedDump>;
	readonly #others: ReadonlyMap<string, ExpectedJob>;
	readonly #running = new Map<string, JobProgressTracker>();
	readonly #inventories = new Set<Promise<void>>();
	readonly #stopSampler: (() => Promise<void>) | undefined;
	readonly #warned = new Set<string>();
	#learned = false;

	constructor(options: ProgressOptions) {
		this.#options = options;
		this.#run = new RunProgress(options.concurrency);
		const past = (dump: ExpectedDump) => options.history.past(options.cluster, dump.name);
		this.#dumps = new Map(options.dumps.map(dump => [dump.id, {...dump, past: past(dump)}]));
		this.#others = new Map(options.others.map(job => [job.id, job]));
		this.#run.expect([...this.#dumps.values(), ...this.#others.values()]);
		if (options.interval > 0 && options.dumps.length > 0) this.#stopSampler = this.#startSampler();
	}

	/** Told of all that the jobs do. */
	see(event: NewEvent): void {
		const time = this.#options.now();
		if (event.type === 'job.started') this.#start(event.job, time);
		else if (event.type === 'stage.finished' && event.stage === 'dump' && event.outcome === 'done') {
			this.#running.get(event.job)?.dumpEnded(time, event.bytesOut ?? 0);
		} else if (event.type === 'job.finished') {
			const tracker = this.#running.get(event.job);
			this.#running.delete(event.job);
			this.#run.finished(event.job, event.outcome, time);
			const dump = this.#dumps.get(event.job);
			if (dump && tracker && event.outcome === 'done') this.#remember(dump, tracker, time);
		}
	}

	estimate(job: string, stages: StageSample): Omit<JobProgress, 'job' | 'stages'> {
		return this.#running.get(job)?.progress(this.#options.now(), stages) ?? {};
	}

	totals(): RunTotals | undefined {
		return this.#run.totals(this.#options.now());
	}

	/** True when this run has something to tell the next. */
	get learned(): boolean {
		return this.#learned;
	}

	/** Ends the session. */
	async stop(): Promise<void> {
		await this.#stopSampler?.();
		await Promise.all(this.#inventories);
	}

	#start(id: string, time: number): void {
		const job = this.#dumps.get(id) ?? this.#others.get(id);
		if (!job) return;
		const tracker = new JobProgressTracker(job, time);
		this.#running.set(id, tracker);
		this.#run.started(tracker);
	}

	#remember(dump: ExpectedDump, tracker: JobProgressTracker, time: number): void {
		this.#learned ||= tracker.hasTables;
		this.#options.history.record(this.#options.cluster, dump.name, tracker.past(time));
	}

	#startSampler(): () => Promise<void> {
		const {connect, interval, now} = this.#options;
		return startSampler({
			connect: () => connect(),
			interval: interval * 1000,
			now,
			applications: () => this.#applications(),
			onSample: sample => this.#addSample(sample),
			warn: text => this.#warnOnce(text),
		});
	}

	#applications(): readonly string[] {
		return [
			...new Set(
				[...this.#running.values()].flatMap(({dumping, job}) =>
					dumping && job.application !== '' ? [job.application] : [],
				),
			),
		];
	}

	#addSample(sample: ServerSample): void {
		for (const tracker of this.#running.values()) {
			const {application, name, bytes = 0} = tracker.job;
			const sessions = sample.sessions.filter(one => one.application === application && one.database === name);
			tracker.addSample(sample.time, sessions);
			if (tracker.dumping && sessions.length > 0 && bytes >= smallDatabase && !tracker.hasTables)
				this.#takeInventory(tracker);
		}
	}

	/** One short connection, when a dump has shown that it lasts. */
	#takeInventory(tracker: JobProgressTracker): void {
		const dump = this.#dumps.get(tracker.job.id);
		if (!dump || tracker.inventoryAsked) return;
		tracker.inventoryAsked = true;
		const taking = this.#readInventory(dump, tracker).catch((error: unknown) => {
			this.#warnOnce(`${dump.name}: its tables cannot be listed, there is no percentage: ${messageOf(error)}`);
		});
		this.#inventories.add(taking);
		void taking.finally(() => this.#inventories.delete(taking));
	}

	async #readInventory(dump: ExpectedDump, tracker: JobProgressTracker): Promise<void> {
		const session = await this.#options.connect(dump.name);
		try {
			tracker.setTables(selectData(await storedData(session), dump.choices));
		} finally {
			await session.close();
		}
	}

	#warnOnce(text: string): void {
		if (this.#warned.has(text)) return;
		this.#warned.add(text);
		this.#options.emit({type: 'log', level: 'info', text});
	}
}
