import {CancelledError, type PgBackError, RequeuedError, toPgBackError} from '../core/errors.js';
import type {Emit, EventError, Outcome, PlannedJob, StageName} from '../core/events.js';
import {JobMeter} from '../stages/meter.js';

export type JobControl = {
	readonly id: string;
	/** Aborted when the job or the run is canceled. */
	readonly signal: AbortSignal;
	readonly meter: JobMeter;
	/** Counts from 1. */
	readonly attempt: number;
	/**
	 * Declares that the remaining work (uploading) needs no slot, so that the next job may start. May be called twice.
	 */
	readonly freeSlot: () => void;
	/**
	 * Lends the slot during short work such as hashing. At most as many jobs as there are slots do this at once; the
	 * others keep theirs.
	 */
	readonly lendSlot: () => void;
};

export type Task = {
	readonly plan: PlannedJob;
	/** Does the work. Throws on failure, after which nothing is left that looks finished. */
	readonly run: (control: JobControl) => Promise<void>;
	/**
	 * Returns the stage from which a failed job resumes if the results of earlier stages exist. Undefined: from the
	 * beginning.
	 */
	readonly resumesFrom?: () => StageName | undefined;
	/** The jobs that it waits for. When one of them is repeated, a failed attempt of this one is repeated after it. */
	readonly needs?: readonly string[];
};

type Entry = {
	readonly task: Task;
	/** Present while the job runs, so that its listeners are released with it. */
	abort?: AbortController;
	attempt: number;
	outcome?: Outcome;
	error?: PgBackError;
};

/** Runs tasks in the order in which they were added, `concurrency` at a time, and keeps their outcomes. */
export class Scheduler {
	readonly #emit: Emit;
	readonly #signal: AbortSignal;
	#concurrency: number;
	readonly #waiting: Entry[] = [];
	readonly #entries = new Map<string, Entry>();
	readonly #meters = new Map<string, JobMeter>();
	#slots = 0;
	/** Slots that jobs have lent and not yet freed. */
	#lent = 0;
	#busy = 0;
	#closed = false;
	#idleWaiters: (() => void)[] = [];
	readonly #onAbort = () => this.cancel();

	constructor(options: {readonly concurrency: number; readonly emit: Emit; readonly signal: AbortSignal}) {
		this.#emit = options.emit;
		this.#signal = options.signal;
		this.#concurrency = options.concurrency;
		this.#signal.addEventListener('abort', this.#onAbort, {once: true});
	}

	/**
	 * Adds tasks, which the run state must already contain (`run.planned`). If the run is being canceled, they are
	 * canceled too.
	 */
	add(tasks: readonly Task[]): void {
		for (const task of tasks) {
			const entry: Entry = {task, attempt: 0};
			this.#entries.set(task.plan.id, entry);
			this.#waiting.push(entry);
		}
		if (this.#signal.aborted) this.cancel();
		this.#startNext();
	}

	set concurrency(value: number) {
		this.#concurrency = value;
		this.#startNext();
	}

	/** Cancels one job, or all. A waiting job is canceled immediately, a running one when its children have exited. */
	cancel(id?: string, why: PgBackError = new CancelledError()): void {
		const reason: unknown = this.#signal.aborted ? this.#signal.reason : why;
		for (const entry of this.#entries.values()) {
			if (id !== undefined && entry.task.plan.id !== id) continue;
			const index = this.#waiting.indexOf(entry);
			if (index !== -1) {
				this.#waiting.splice(index, 1);
				this.#finish(entry, reason);
			} else entry.abort?.abort(reason);
		}
		this.#settleIdle();
	}

	/** Closes the scheduler: no task can be added or repeated any more. */
	close(): void {
		this.#closed = true;
		this.#settleIdle();
	}

	/**
	 * Repeats a failed or canceled job after the waiting ones, and then the failed jobs that need it. Returns false for any
	 * other job, or after `close`.
	 */
	retry(id: string): boolean {
		if (this.#closed || !this.#requeue(id)) return false;
		for (const [other, {task}] of this.#entries) if (task.needs?.includes(id)) this.#requeue(other);
		this.#startNext();
		return true;
	}

	#requeue(id: string): boolean {
		const entry = this.#entries.get(id);
		if (!entry || (entry.outcome !== 'failed' && entry.outcome !== 'cancelled')) return false;
		const repeated: Entry = {task: entry.task, attempt: entry.attempt};
		this.#entries.set(id, repeated);
		this.#emit({type: 'job.queued', job: id, ...fromOf(entry.task)});
		this.#waiting.push(repeated);
		return true;
	}

	/** Resolves when no job is running or waiting. */
	async idle(): Promise<void> {
		if (this.idleNow) return;
		await new Promise<void>(resolve => this.#idleWaiters.push(resolve));
	}

	get idleNow(): boolean {
		return this.#busy === 0 && this.#waiting.length === 0;
	}

	/** Returns the meters of the running jobs. */
	meters(): readonly JobMeter[] {
		return [...this.#meters.values()];
	}

	/** Returns each job with the outcome of its last attempt; undefined: it is waiting or running. */
	outcomes(): readonly {
		readonly plan: PlannedJob;
		readonly outcome: Outcome | undefined;
		readonly error?: PgBackError;
	}[] {
		return [...this.#entries.values()].map(({task, outcome, error}) => ({plan: task.plan, outcome, error}));
	}

	#startNext(): void {
		while (this.#slots < this.#concurrency) {
			const entry = this.#waiting.shift();
			if (!entry) return;
			this.#slots++;
			this.#busy++;
			void this.#run(entry);
		}
	}

	async #run(entry: Entry): Promise<void> {
		const {id} = entry.task.plan;
		const meter = new JobMeter(id, this.#emit);
		this.#meters.set(id, meter);
		let holdsSlot = true;
		let isLending = false;
		const freeSlot = () => {
			if (isLending) this.#lent--;
			isLending = false;
			if (!holdsSlot) return;
			holdsSlot = false;
			this.#slots--;
			this.#startNext();
		};
		const lendSlot = () => {
			if (!holdsSlot || this.#lent >= this.#concurrency) return;
			this.#lent++; // first: the next job starts at once, and may lend its slot too
			freeSlot();
			isLending = true;
		};
		const abort = new AbortController();
		entry.abort = abort;
		entry.attempt++;
		this.#emit({type: 'job.started', job: id, attempt: entry.attempt, ...fromOf(entry.task)});
		let failure: unknown;
		try {
			await entry.task.run({id, signal: abort.signal, meter, attempt: entry.attempt, freeSlot, lendSlot});
		} catch (error) {
			// Errors caused by an abort differ (AbortError and the like); the reason of the signal is the same for all.
			failure = abort.signal.aborted ? abort.signal.reason : (error ?? new CancelledError());
		}
		this.#meters.delete(id);
		entry.abort = undefined;
		this.#finish(entry, failure);
		this.#busy--;
		freeSlot();
		this.#settleIdle();
	}

	#finish(entry: Entry, failure: unknown): void {
		const error = failure === undefined ? undefined : toPgBackError(failure);
		entry.error = error;
		entry.outcome = error === undefined ? 'done' : error instanceof CancelledError ? 'cancelled' : 'failed';
		this.#emit({
			type: 'job.finished',
			job: entry.task.plan.id,
			outcome: entry.outcome,
			...(error && {error: eventError(error)}),
			...(error instanceof RequeuedError && !this.#closed && !this.#signal.aborted && {again: true}),
		});
	}

	#settleIdle(): void {
		if (!this.idleNow) return;
		// The signal of a console outlives the run, so its listener must be removed.
		if (this.#closed) this.#signal.removeEventListener('abort', this.#onAbort);
		const waiters = this.#idleWaiters;
		this.#idleWaiters = [];
		for (const resolve of waiters) resolve();
	}
}

function fromOf({resumesFrom}: Task): {readonly from?: StageName} {
	const from = resumesFrom?.();
	return from === undefined ? {} : {from};
}

export function eventError(error: PgBackError): EventError {
	const {code, message, hint, output, skip} = error;
	return {
		code,
		message,
		...(hint !== undefined && {hint}),
		...(output.length > 0 && {output: output.slice(-20)}),
		...(skip.length > 0 && {skip}),
	};
}
