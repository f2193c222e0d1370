/** Progress of a backup, put together: the sampler, the inventories, the last run, and what they say of each job and of the run. */
import {messageOf} from '../../core/errors.js';
import {childSeconds} from '../../process/cpu-time.js';
import type {Emit, JobProgress, LockInfo, NewEvent, RunTotals} from '../../core/events.js';
import {storedData} from '../../postgres/progress-inventory.js';
import type {DumpSession, ServerSample} from '../../postgres/progress-sample.js';
import {PostgresError, type Session} from '../../postgres/session.js';
import type {StageSample} from '../ticker.js';
import type {TableFacts} from './estimator.js';
import type {History} from './history.js';
import {JobProgressTracker, type ExpectedJob} from './job.js';
import {LockGuard, LockWatch, type Contention, type GuardOptions, type JobLocks} from './lock-guard.js';
import {LockNames} from './locks.js';
import {RunProgress} from './run.js';
import {startSampler} from './sampler.js';
import {selectData, type DataChoices} from './selection.js';

export type ExpectedDump = Omit<ExpectedJob, 'past'> & {
	readonly choices: DataChoices;
	/** What to do when compression is what all else waits for. */
	readonly advice: string;
};

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
	/** Such as 150018. */
	readonly serverVersion: number;
	readonly guard: GuardOptions;
	/** Others wait behind the locks of a dump, and it shall make room. */
	readonly giveWay: (job: string, action: 'cancel' | 'requeue', blocking: readonly LockInfo[]) => void;
};

/** Seconds of a dump after which advice is worth a line. */
const worthAdvice = 60;
/** Seconds after which sessions that are not there are missing. */
const worthMissing = 15;
const countsCopies = 140_000;
const lockNotAvailable = '55P03';

/** A dump of fewer bytes, or that takes fewer seconds, is over before its tables are worth a connection. */
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
	readonly #busy = new WeakMap<
		JobProgressTracker,
		{readonly time: number; readonly own: number; readonly dump: number | undefined}
	>();
	readonly #watch = new LockWatch();
	readonly #guard: LockGuard;
	readonly #names: LockNames;
	/** Those that were told to make room, until they have. */
	readonly #leaving = new Set<string>();
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

	/** Told of all that the jobs do. */
	see(event: NewEvent): void {
		const time = this.#options.now();
		if (event.type === 'job.started') this.#start(event.job, time);
		else if (event.type === 'stage.finished' && event.stage === 'dump' && event.outcome === 'done') {
			this.#running.get(event.job)?.dumpEnded(time, event.bytesOut ?? 0);
		} else if (event.type === 'job.finished') {
			const tracker = this.#running.get(event.job);
			this.#running.delete(event.job);
			this.#leaving.delete(event.job);
			if (event.again) this.#run.again(event.job);
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

	/** True when this run has something to tell the next. */
	get learned(): boolean {
		return this.#learned;
	}

	/** Ends the session. */
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
			if (tracker.dumping) this.#nameGaps(tracker, sessions, sample.time);
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

	/** What the server does not show. */
	#nameGaps({job, startedAt}: JobProgressTracker, sessions: readonly DumpSession[], time: number): void {
		if (sessions.length === 0 && time - startedAt > worthMissing * 1000) {
			this.#warnOnce(
				'progress: the server does not show the sessions of pg_dump (a connection pooler?): no tables, no percentages',
			);
		}
		if (sessions.length > 0 && sessions.every(session => session.query === undefined)) {
			this.#warnOnce(
				`progress: what pg_dump does in ${job.name} is hidden from this role: grant pg_monitor for tables and percentages`,
			);
		}
		if (sessions.length > 0 && this.#options.serverVersion < countsCopies) {
			this.#warnOnce(
				'progress: PostgreSQL before 14 does not count what it copies: percentages move from table to table',
			);
		}
	}

	/** Who was busy since the last sample. */
	async #observe(tracker: JobProgressTracker, sessions: readonly DumpSession[], time: number): Promise<void> {
		const before = this.#busy.get(tracker);
		const own = process.cpuUsage();
		const dump = await childSeconds(tracker.job.application);
		const ownSeconds = (own.user + own.system) / 1e6;
		this.#busy.set(tracker, {time, own: ownSeconds, dump});
		if (!before || time <= before.time) return;
		const seconds = (time - before.time) / 1000;
		const dumpCores = dump === undefined || before.dump === undefined ? undefined : (dump - before.dump) / seconds;
		tracker.observe({
			sessions,
			ownCores: (ownSeconds - before.own) / seconds,
			...(dumpCores !== undefined && {dumpCores}),
		});
	}

	#judge(tracker: JobProgressTracker, locks: JobLocks, time: number): void {
		const job = tracker.job.id;
		const named = (list: readonly Contention[]) =>
			list.map(one => this.#names.describe(one, oid => tracker.tableName(oid)));
		tracker.setLocks({blockedBy: named(locks.blockedBy), blocking: named(locks.blocking)});
		if (this.#leaving.has(job)) return;
		const {waiting, blocking, action} = this.#guard.judge(job, locks, time);
		if (waiting.length === 0 && blocking.length === 0) return;
		if (action !== 'none') this.#leaving.add(job);
		const unknown = [...waiting, ...blocking].filter(one => tracker.tableName(one.relation) === undefined);
		void Promise.all(unknown.map(one => this.#names.resolve(one))).then(() => {
			const {emit, giveWay} = this.#options;
			if (waiting.length > 0) emit({type: 'lock.waiting', job, blockedBy: named(waiting)});
			if (blocking.length > 0) emit({type: 'lock.blocking', job, blocking: named(blocking)});
			if (action !== 'none') giveWay(job, action, named(blocking));
		});
	}

	/** One short connection, when a dump has shown that it lasts. */
	#takeInventory(tracker: JobProgressTracker): void {
		const dump = this.#dumps.get(tracker.job.id);
		if (!dump || tracker.hasTables || tracker.inventoryAsked) return;
		tracker.inventoryAsked = true;
		const reading = this.#readInventory(dump).then(
			tables => tracker.setTables(tables),
			(error: unknown) => {
				// Somebody has a table for himself: asked again at a later sample.
				if (error instanceof PostgresError && error.sqlstate === lockNotAvailable) tracker.inventoryAsked = false;
				else this.#warnOnce(`${dump.name}: its tables cannot be listed, there is no percentage: ${messageOf(error)}`);
			},
		);
		this.#follow(reading);
	}

	/** What the next of those that wait will read, one at a time: the run's time left depends on it. */
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
			() => undefined, // its size has to do; its own dump says what is wrong
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
