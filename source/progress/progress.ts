/**
 * Combines the progress of a backup: the sampler, the inventories, the previous run, and the estimates for each job and
 * for the run.
 */
import {messageOf} from '../core/errors.js';
import type {Emit, JobProgress, LockInfo, NewEvent, RunTotals} from '../core/events.js';
import {storedData} from '../postgres/progress-inventory.js';
import {type DumpSession, type ServerSample, takeSample} from '../postgres/progress-sample.js';
import {PostgresError, type Session} from '../postgres/session.js';
import {childSeconds} from '../process/cpu-time.js';
import {type Pressure, readPressure} from '../process/pressure.js';
import type {StageSample} from '../runs/ticker.js';
import type {History} from './history.js';
import {type ExpectedJob, JobProgressTracker} from './job.js';
import {type Contention, type GuardOptions, type JobLocks, LockGuard, LockWatch} from './lock-guard.js';
import {LockNames} from './locks.js';
import {RunProgress} from './run.js';
import {startSampler} from './sampler.js';
import {type DataChoices, selectData} from './select-data.js';
import type {TableFacts} from './tables.js';

export type ExpectedDump = Omit<ExpectedJob, 'past'> & {
	readonly choices: DataChoices;
	/** What to do when compression is the limit. */
	readonly advice: string;
};

export type ProgressOptions = {
	readonly emit: Emit;
	readonly now: () => number;
	/** Seconds between two samples of the server; 0: none. */
	readonly interval: number;
	/** Opens a new session, on the named database if given. */
	readonly connect: (database?: string) => Promise<Session>;
	readonly concurrency: number;
	readonly dumps: readonly ExpectedDump[];
	/** Jobs that are not dumps, with their size. */
	readonly others: readonly ExpectedJob[];
	readonly history: History;
	/** Distinguishes the history of this server from another's. */
	readonly cluster: string;
	/** Such as 150018. */
	readonly serverVersion: number;
	readonly guard: GuardOptions;
	/** Called when sessions wait behind the locks of a dump, and it should release them. */
	readonly yieldLocks: (job: string, action: 'cancel' | 'requeue', blocking: readonly LockInfo[]) => void;
};

/** Seconds of a dump after which the advice is logged. */
const worthAdvice = 60;
/** Seconds after which missing sessions are reported. */
const worthMissing = 15;
/** The oldest server that reports how far a COPY is. */
const oldestCopyProgress = 140_000;
const lockNotAvailable = '55P03';

/** A dump of fewer bytes, or of fewer seconds, ends before reading its tables is worth a connection. */
export const smallDatabase = 64 * 1024 * 1024;
const shortDump = 3;
/** Seconds of a dump of a small database that are worth a file for the next run. */
const worthKeeping = 10;

export class Progress {
	readonly #options: ProgressOptions;
	readonly #run: RunProgress;
	readonly #dumps: ReadonlyMap<string, ExpectedDump>;
	readonly #others: ReadonlyMap<string, ExpectedJob>;
	readonly #running = new Map<string, JobProgressTracker>();
	readonly #inventories = new Set<Promise<void>>();
	readonly #lookedAhead = new Set<string>();
	readonly #stopSampler: (() => Promise<void>) | undefined;
	readonly #warned = new Set<string>();
	/** Jobs with a session that the server has shown at least once. */
	readonly #shown = new WeakSet<JobProgressTracker>();
	/** Processor times at the last sample of each dump. */
	readonly #usage = new WeakMap<
		JobProgressTracker,
		{
			readonly time: number;
			readonly own: number;
			readonly dump: number | undefined;
			readonly waited: Pressure | undefined;
		}
	>();
	readonly #watch = new LockWatch();
	readonly #guard: LockGuard;
	readonly #names: LockNames;
	/** Jobs that were asked to release their locks, until they have ended. */
	readonly #yielding = new Set<string>();
	#learned = false;

	constructor(options: ProgressOptions) {
		this.#options = options;
		this.#run = new RunProgress(options.concurrency);
		this.#guard = new LockGuard(options.guard);
		this.#names = new LockNames(database => options.connect(database));
		const past = (dump: ExpectedDump) => options.history.past(options.cluster, dump.name);
		this.#dumps = new Map(options.dumps.map(dump => [dump.id, {...dump, past: past(dump)}]));
		this.#others = new Map(options.others.map(job => [job.id, job]));
		this.#run.expect([...this.#dumps.values(), ...this.#others.values()]);
		if (options.interval > 0 && options.dumps.length > 0) this.#stopSampler = this.#startSampler();
	}

	/** Receives all events of the jobs. */
	see(event: NewEvent): void {
		const time = this.#options.now();
		if (event.type === 'job.started') this.#start(event.job, time);
		else if (event.type === 'stage.finished' && event.stage === 'dump' && event.outcome === 'done') {
			this.#running.get(event.job)?.dumpEnded(time, event.bytesOut ?? 0);
		} else if (event.type === 'job.finished') {
			const tracker = this.#running.get(event.job);
			this.#running.delete(event.job);
			this.#yielding.delete(event.job);
			if (event.again) this.#run.requeued(event.job);
			else this.#run.finished(event.job, event.outcome, time);
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

	/** Returns true when this run has data for the next one. */
	get learned(): boolean {
		return this.#learned;
	}

	/** Closes the session. */
	async stop(): Promise<void> {
		await this.#stopSampler?.();
		await Promise.all([...this.#inventories, this.#names.idle()]);
	}

	#start(id: string, time: number): void {
		const job = this.#dumps.get(id) ?? this.#others.get(id);
		if (!job) return;
		const tracker = new JobProgressTracker(job, time, this.#run.rates);
		this.#running.set(id, tracker);
		this.#run.started(tracker);
	}

	#remember(dump: ExpectedDump, tracker: JobProgressTracker, time: number): void {
		this.#learned ||=
			tracker.hasTables && ((dump.bytes ?? 0) >= smallDatabase || tracker.workedSeconds(time) > worthKeeping);
		const share = tracker.limits?.share('compression') ?? 0;
		if (share > 0.5 && tracker.workedSeconds(time) > worthAdvice) {
			const text = `${dump.name}: limited by compression for ${Math.round(share * 100)} % of the time: consider ${dump.advice}`;
			this.#options.emit({type: 'log', level: 'info', text, job: dump.id});
		}
		this.#options.history.record(this.#options.cluster, dump.name, tracker.past(time));
	}

	#startSampler(): () => Promise<void> {
		const {connect, interval, now} = this.#options;
		return startSampler({
			connect: () => connect(),
			interval: interval * 1000,
			now,
			applications: () => this.#applications(),
			take: takeSample,
			what: 'dumps',
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
		const ours = new Map<number, string>();
		for (const tracker of this.#running.values()) {
			const {application, name, id, bytes = 0} = tracker.job;
			const sessions = sample.sessions.filter(one => one.application === application && one.database === name);
			for (const {pid} of sessions) ours.set(pid, id);
			tracker.addSample(sample.time, sessions);
			void this.#observe(tracker, sessions, sample.time);
			if (sessions.length > 0) this.#shown.add(tracker);
			if (tracker.dumping) this.#warnOfGaps(tracker, sessions, sample.time);
			const lasts = bytes >= smallDatabase || tracker.workedSeconds(sample.time) > shortDump;
			if (tracker.dumping && sessions.length > 0 && lasts) this.#takeInventory(tracker);
		}
		this.#lookAhead();
		const locks = this.#watch.read(sample, ours);
		for (const tracker of this.#running.values()) {
			if (tracker.dumping)
				this.#judge(tracker, locks.get(tracker.job.id) ?? {blockedBy: [], blocking: []}, sample.time);
		}
	}

	/** Warns once of what the server does not show. */
	#warnOfGaps(tracker: JobProgressTracker, sessions: readonly DumpSession[], time: number): void {
		const {job, startedAt} = tracker;
		// The sessions of pg_dump end before it does.
		if (!this.#shown.has(tracker) && time - startedAt > worthMissing * 1000) {
			this.#warnOnce(
				'progress: the server does not show the sessions of pg_dump (a connection pooler?): tables and percentages are not shown',
			);
		}
		if (sessions.length > 0 && sessions.every(session => session.query === undefined)) {
			this.#warnOnce(
				`progress: this role cannot see what pg_dump does in ${job.name}: grant pg_monitor to show tables and percentages`,
			);
		}
		if (sessions.length > 0 && this.#options.serverVersion < oldestCopyProgress) {
			this.#warnOnce(
				'progress: PostgreSQL before 14 does not report COPY progress: percentages advance one table at a time',
			);
		}
	}

	/** Measures which processes were busy since the last sample. */
	async #observe(tracker: JobProgressTracker, sessions: readonly DumpSession[], time: number): Promise<void> {
		const before = this.#usage.get(tracker);
		const own = process.cpuUsage();
		const dump = await childSeconds(tracker.job.application);
		const ownSeconds = (own.user + own.system) / 1e6;
		const waited = await readPressure();
		this.#usage.set(tracker, {time, own: ownSeconds, dump, waited});
		if (!before || time <= before.time) return;
		const seconds = (time - before.time) / 1000;
		const dumpCores = dump === undefined || before.dump === undefined ? undefined : (dump - before.dump) / seconds;
		tracker.observe({
			sessions,
			ownCores: (ownSeconds - before.own) / seconds,
			...(dumpCores !== undefined && {dumpCores}),
			...(waited &&
				before.waited && {
					pressure: {cpu: (waited.cpu - before.waited.cpu) / seconds, io: (waited.io - before.waited.io) / seconds},
				}),
		});
	}

	#judge(tracker: JobProgressTracker, locks: JobLocks, time: number): void {
		const job = tracker.job.id;
		const named = (list: readonly Contention[]) =>
			list.map(one => this.#names.describe(one, oid => tracker.tableName(oid)));
		tracker.setLocks({blockedBy: named(locks.blockedBy), blocking: named(locks.blocking)});
		if (this.#yielding.has(job)) return;
		const {waiting, blocking, action} = this.#guard.judge(job, locks, time);
		if (waiting.length === 0 && blocking.length === 0) return;
		if (action !== 'none') this.#yielding.add(job);
		const unknown = [...waiting, ...blocking].filter(one => tracker.tableName(one.relation) === undefined);
		void Promise.all(unknown.map(one => this.#names.resolve(one))).then(() => {
			const {emit, yieldLocks} = this.#options;
			if (waiting.length > 0) emit({type: 'lock.waiting', job, blockedBy: named(waiting)});
			if (blocking.length > 0) emit({type: 'lock.blocking', job, blocking: named(blocking)});
			if (action !== 'none') yieldLocks(job, action, named(blocking));
		});
	}

	/** Opens one short connection, when a dump runs long enough. */
	#takeInventory(tracker: JobProgressTracker): void {
		const dump = this.#dumps.get(tracker.job.id);
		if (!dump || tracker.hasTables || tracker.inventoryRequested) return;
		tracker.inventoryRequested = true;
		const reading = this.#readInventory(dump).then(
			tables => tracker.setTables(tables),
			(error: unknown) => {
				// A table is locked exclusively: requested again at a later sample.
				if (error instanceof PostgresError && error.sqlstate === lockNotAvailable) tracker.inventoryRequested = false;
				else this.#warnOnce(`${dump.name}: cannot list its tables, no percentage is shown: ${messageOf(error)}`);
			},
		);
		this.#follow(reading);
	}

	/** Reads what the next waiting dumps will read, one at a time: the run's remaining time depends on it. */
	#lookAhead(): void {
		if (this.#inventories.size > 0) return;
		const dump = this.#run
			.unknown()
			.map(id => this.#dumps.get(id))
			.find(one => one && !this.#lookedAhead.has(one.id));
		if (!dump) return;
		this.#lookedAhead.add(dump.id);
		const reading = this.#readInventory(dump).then(
			tables => this.#run.setTables(dump.id, tables),
			() => undefined, // its size is used instead; its own dump reports the error
		);
		this.#follow(reading);
	}

	#follow(reading: Promise<void>): void {
		this.#inventories.add(reading);
		void reading.finally(() => this.#inventories.delete(reading));
	}

	async #readInventory(dump: ExpectedDump): Promise<readonly TableFacts[]> {
		const session = await this.#options.connect(dump.name);
		try {
			return selectData(await storedData(session), dump.choices);
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
