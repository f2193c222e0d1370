/** The progress of one running job: its phases, its tables, its bytes. No I/O. */
import type {JobProgress, LockInfo, StageName} from '../core/events.js';
import {RateWindow} from '../lib/rate.js';
import type {DumpSession} from '../postgres/progress-sample.js';
import {copiedTable, schemaActivity} from '../postgres/progress-statement.js';
import {copiedRange} from '../postgres/split-tables.js';
import type {StageSample} from '../runs/ticker.js';
import {type Copying, type Estimated, JobEstimator} from './estimator.js';
import type {NewPast} from './history.js';
import {type LimitOptions, LimitWatch, type Observation} from './limits.js';
import type {TableRates} from './rates.js';
import {largeObjects} from './select-data.js';
import type {JobPast, TableFacts} from './tables.js';

export type ExpectedJob = {
	readonly id: string;
	readonly name: string;
	/** The application name of its sessions. */
	readonly application: string;
	/** Bytes of the database, or of the file. */
	readonly bytes: number | undefined;
	readonly stages: readonly StageName[];
	/** It uploads while pg_dump runs (`spool_limit`, `local_copy = no`). */
	readonly sendsMeanwhile?: boolean;
	readonly workers: number;
	readonly past?: JobPast & {readonly bytes: number};
	/** For a dump. */
	readonly limits?: LimitOptions;
};

/** The part of a job's time after the copying, if no previous run is known. */
const tailShare = {upload: 0.25, none: 0.02} as const;
const windowMs = 10_000;

export type NamedLocks = {readonly blockedBy: readonly LockInfo[]; readonly blocking: readonly LockInfo[]};

const noLocks: NamedLocks = {blockedBy: [], blocking: []};

type Phase = 'before' | 'copying' | 'after';

export class JobProgressTracker {
	readonly job: ExpectedJob;
	readonly startedAt: number;
	/** Whether its tables were requested. */
	inventoryRequested = false;
	#estimator: JobEstimator | undefined;
	/** At the last sample. */
	#estimated: Estimated | undefined;
	#tables: readonly TableFacts[] | undefined;
	#phase: Phase = 'before';
	/** Seconds before the first table. */
	#before = 0;
	#dumpedAt: number | undefined;
	#dumpBytes = 0;
	#highest = 0;
	#waitEvent: string | undefined;
	#activity: string | undefined;
	#copying: readonly Copying[] = [];
	readonly limits: LimitWatch | undefined;
	readonly #rate = new RateWindow(windowMs);
	readonly #tailRate = new RateWindow(windowMs);
	#tailDone = 0;
	/** When that was measured. */
	#tailAt = 0;
	#sampledAt: number | undefined;
	/** Seconds spent waiting for locks: they say nothing about its speed. */
	#blockedSeconds = 0;
	#locks: NamedLocks = noLocks;
	readonly #rates: TableRates | undefined;

	/** `rates`: those of the run, which receive what this job reads. */
	constructor(job: ExpectedJob, startedAt: number, rates?: TableRates) {
		this.job = job;
		this.#rates = rates;
		this.startedAt = startedAt;
		this.limits = job.limits && new LimitWatch(job.limits);
	}

	/** Sets what the dump will read. */
	setTables(tables: readonly TableFacts[]): void {
		this.#tables = tables;
		if (tables.length === 0) return;
		this.#estimator = new JobEstimator({
			tables,
			workers: this.job.workers,
			name: this.job.id,
			...(this.#rates && {rates: this.#rates}),
			...(this.job.past && {past: this.job.past}),
		});
		this.#estimated = this.#estimator.estimate();
	}

	get hasTables(): boolean {
		return this.#tables !== undefined;
	}

	get dumping(): boolean {
		return this.#phase !== 'after';
	}

	addSample(time: number, sessions: readonly DumpSession[]): void {
		if (this.#phase === 'after') return;
		const seconds = (time - (this.#sampledAt ?? time)) / 1000;
		this.#sampledAt = time;
		if (this.#waitEvent?.startsWith('Lock:')) this.#blockedSeconds += seconds;
		const copying = sessions.flatMap(copyingOf);
		this.#copying = copying.filter(one => !one.ended);
		const [first] = sessions;
		this.#waitEvent =
			sessions.find(one => one.waitEvent?.startsWith('Lock:'))?.waitEvent ??
			(sessions.length === 1 ? first?.waitEvent : undefined);
		if (copying.length > 0 && this.#phase === 'before') {
			this.#phase = 'copying';
			this.#before = this.workedSeconds(time);
		}
		this.#activity = this.#phase === 'before' && first?.query !== undefined ? schemaActivity(first.query) : undefined;
		if (this.#phase !== 'copying') return;
		this.#estimator?.add(time, copying);
		this.#estimated = this.#estimator?.estimate();
	}

	observe(observation: Observation): void {
		if (this.#phase === 'copying') this.limits?.add(observation);
	}

	setLocks(locks: NamedLocks): void {
		this.#locks = locks;
	}

	/** Returns `schema.name` of a table that will be dumped. */
	tableName(oid: number): string | undefined {
		return this.#tables?.find(table => table.oid === oid)?.name;
	}

	dumpEnded(time: number, bytes: number): void {
		this.#phase = 'after';
		this.#dumpedAt = time;
		this.#tailAt = time;
		this.#dumpBytes = bytes;
		this.#copying = [];
		this.#waitEvent = undefined;
		this.#activity = undefined;
		this.#locks = noLocks;
		this.#estimator?.end();
		this.#estimated = this.#estimator?.estimate();
	}

	/** Called with every reading of the meters. */
	progress(time: number, stages: StageSample): Omit<JobProgress, 'job' | 'stages'> {
		const first = this.job.stages.map(stage => stages[stage]).find(stage => stage !== undefined);
		if (first && this.#phase !== 'after') this.#rate.add(time, first.bytesOut);
		this.#addTailSample(time, stages);
		const estimated = this.#estimated;
		const fraction = this.fraction(stages);
		const running =
			estimated?.running ?? this.#copying.map(({name, bytes = 0, rows = 0}) => ({name: name ?? '?', bytes, rows}));
		const rate = this.#phase === 'after' ? this.#tailRate.perSecond : this.#rate.perSecond;
		return {
			...defined({fraction, rate, eta: this.remaining(time)}),
			...(fraction !== undefined && (estimated?.estimated ?? true) && {estimated: true}),
			...(running.length > 0 && {tables: running}),
			...(estimated && {
				tablesDone: estimated.done,
				tablesTotal: estimated.total,
				read: estimated.read,
				readTotal: estimated.readTotal,
			}),
			...defined({readRate: this.#phase === 'copying' ? estimated?.readRate : undefined}),
			...this.#limit(stages),
			...(this.#activity !== undefined && {activity: this.#activity}),
			...(this.#waitEvent !== undefined && {waitEvent: this.#waitEvent}),
			...(this.#locks.blockedBy.length > 0 && {blockedBy: this.#locks.blockedBy}),
			...(this.#locks.blocking.length > 0 && {blocking: this.#locks.blocking}),
		};
	}

	/** Returns 0 to 1 of the whole job; undefined when the amount to read is unknown. */
	fraction(stages: StageSample = {}): number | undefined {
		const share = this.#share(stages);
		if (share === undefined) return undefined;
		this.#highest = Math.max(this.#highest, Math.min(0.995, share));
		return this.#highest;
	}

	/** Returns seconds; undefined when unknown, or while it waits for a lock. */
	remaining(time: number): number | undefined {
		if (this.#locks.blockedBy.length > 0) return undefined;
		if (this.#phase === 'after') return this.#tailRemaining(time);
		const {past} = this.job;
		const elapsed = this.workedSeconds(time);
		const copying = this.#estimated?.remaining;
		if (past) return this.#remainingByPast(past, copying, elapsed);
		if (copying === undefined || this.#phase === 'before') return undefined;
		return copying + (elapsed + copying) * this.#tailShare();
	}

	/** Returns what the previous run took for the rest, at the pace of this one so far. */
	#remainingByPast(past: JobPast, copying: number | undefined, elapsed: number): number {
		const share = this.#estimated ? this.#ofPhases() : undefined;
		if (share === undefined || copying === undefined) return Math.max(0, past.seconds - elapsed);
		const left = (this.#phase === 'before' ? past.before : 0) + copying + past.after;
		const trust = past.seconds / 10;
		const slowness = this.#phase === 'before' ? 1 : (elapsed + trust) / ((left / (1 - share)) * share + trust);
		return left * slowness - (this.#phase === 'before' ? Math.min(elapsed, past.before) : 0);
	}

	get read(): number {
		return this.#estimated?.read ?? 0;
	}

	get readTotal(): number | undefined {
		return this.#estimated?.readTotal;
	}

	/** Since its start, without waiting for locks. */
	workedSeconds(time: number): number {
		return Math.max(0, (time - this.startedAt) / 1000 - this.#blockedSeconds);
	}

	/** Returns what the dump reads; undefined while unknown. */
	get tables(): readonly TableFacts[] | undefined {
		return this.#tables;
	}

	/** Returns the seconds of its work until pg_dump exited; undefined before. */
	get dumpSeconds(): number | undefined {
		return this.#dumpedAt === undefined ? undefined : this.workedSeconds(this.#dumpedAt);
	}

	/** Returns the data for the next run, when the job has succeeded. */
	past(time: number): NewPast {
		const seconds = this.workedSeconds(time);
		const before = this.#before;
		const after = this.#dumpedAt === undefined ? 0 : (time - this.#dumpedAt) / 1000;
		return {at: time, seconds, before, after, bytes: this.job.bytes ?? 0, tables: this.#estimator?.seen() ?? []};
	}

	#limit(stages: StageSample): {readonly limitedBy?: string} {
		const limit =
			this.#phase === 'copying' ? this.limits?.limit : this.#phase === 'after' && stages.upload ? 'network' : undefined;
		return limit === undefined ? {} : {limitedBy: limit};
	}

	#tailShare(): number {
		const {stages, sendsMeanwhile} = this.job;
		return stages.includes('upload') && sendsMeanwhile !== true ? tailShare.upload : tailShare.none;
	}

	#share(stages: StageSample): number | undefined {
		if (this.#estimator) return this.#ofPhases();
		return this.#phase === 'after' ? this.#ofTail() : this.#ofBytes(stages);
	}

	/** Without the limit of the displayed value. */
	#ofPhases(): number {
		const copied = this.#estimated?.fraction ?? 0;
		const {past} = this.job;
		const before = past?.before ?? 0;
		const copy = past ? Math.max(0.001, past.seconds - past.before - past.after) : 1;
		const after = past?.after ?? copy * this.#tailShare();
		const begun = this.#phase === 'before' ? 0 : before;
		return (begun + copy * copied + after * this.#tailFraction()) / (before + copy + after);
	}

	/** For jobs without tables: bytes of the announced size. */
	#ofBytes(stages: StageSample): number | undefined {
		const {bytes, stages: names, application} = this.job;
		if (application !== '' || bytes === undefined || bytes === 0) return undefined;
		const last = names.map(stage => stages[stage]).findLast(stage => stage !== undefined);
		return last && last.bytesIn / bytes;
	}

	/** By time: for a dump that was too short to request its tables, with a longer upload. */
	#ofTail(): number | undefined {
		const left = this.#tailRemaining(this.#tailAt);
		const worked = this.workedSeconds(this.#tailAt);
		return left === undefined || worked + left === 0 ? undefined : worked / (worked + left);
	}

	#addTailSample(time: number, stages: StageSample): void {
		if (this.#phase !== 'after') return;
		const tail = stages.upload ?? stages.encrypt ?? stages.checksum;
		if (!tail || (this.job.stages.includes('upload') && !stages.upload)) return;
		this.#tailDone = tail.bytesOut;
		this.#tailAt = time;
		this.#tailRate.add(time, tail.bytesOut);
	}

	#tailFraction(): number {
		return this.#dumpBytes > 0 ? Math.min(1, this.#tailDone / this.#dumpBytes) : 0;
	}

	#tailRemaining(time: number): number | undefined {
		const rate = this.#tailRate.perSecond;
		if (rate !== undefined && rate > 0) return Math.max(0, this.#dumpBytes - this.#tailDone) / rate;
		const {past} = this.job;
		return past && Math.max(0, past.after - (time - (this.#dumpedAt ?? time)) / 1000);
	}
}

function copyingOf(session: DumpSession): Copying[] {
	const {pid, copy, query = '', state} = session;
	if (state === 'fastpath function call' || /^(?:FETCH|MOVE) .* blob/i.test(query)) return [{pid, name: largeObjects}];
	const range = copiedRange(query);
	// Between two ranges the session is idle, but the table is not finished.
	if (range) {
		const {oid, rows, bytes} = range;
		return [{pid, oid, rows: rows + (copy?.rows ?? 0), bytes: bytes + (copy?.bytes ?? 0)}];
	}
	const table = copiedTable(query);
	const name = table && `${table.schema}.${table.name}`;
	if (copy) return [{pid, oid: copy.relation, bytes: copy.bytes, rows: copy.rows, ...(name !== undefined && {name})}];
	if (name === undefined) return [];
	return [state === 'idle in transaction' ? {pid, name, ended: true} : {pid, name}];
}

function defined<T extends Readonly<Record<string, number | undefined>>>(
	values: T,
): {readonly [K in keyof T]?: number} {
	return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
		readonly [K in keyof T]?: number;
	};
}
