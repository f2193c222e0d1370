/** The progress of a run: the jobs together, what is still to come, and how long that takes. No I/O. */
import type {Outcome, RunTotals} from '../../core/events.js';
import {RateWindow} from '../../lib/rate.js';
import {timeLeft} from './eta.js';
import type {ExpectedJob, JobProgressTracker} from './job.js';

type Entry = {
	readonly job: ExpectedJob;
	/** Seconds by the last run, or by size: only their proportions count for the percentage. */
	readonly weight: number;
	tracker?: JobProgressTracker;
	outcome?: Outcome;
	seconds: number;
};

/** What a dump takes besides its bytes, until some of this run have shown it, and what a byte takes, in seconds. */
const guess = {job: 0.3, byte: 1 / 50_000_000} as const;
const windowMs = 10_000;
/** Below that, a job's time says nothing about bytes. */
const small = 64 * 1024 * 1024;

export class RunProgress {
	readonly #entries = new Map<string, Entry>();
	readonly #rate = new RateWindow(windowMs);
	#concurrency: number;
	#highest = 0;

	constructor(concurrency: number) {
		this.#concurrency = concurrency;
	}

	/** In the order in which they will be started. */
	expect(jobs: readonly ExpectedJob[]): void {
		const known = jobs.flatMap(job => (job.past && job.past.bytes > small ? [job.past] : []));
		const bytes = sum(known.map(past => past.bytes));
		const perByte = bytes > 0 ? sum(known.map(past => past.seconds)) / bytes : guess.byte;
		for (const job of jobs) {
			const weight = job.past?.seconds ?? guess.job + (job.bytes ?? 0) * perByte;
			this.#entries.set(job.id, {job, weight, seconds: 0});
		}
	}

	started(tracker: JobProgressTracker): void {
		const entry = this.#entries.get(tracker.job.id);
		if (!entry) return;
		entry.tracker = tracker;
		entry.outcome = undefined;
	}

	finished(id: string, outcome: Outcome, time: number): void {
		const entry = this.#entries.get(id);
		if (!entry) return;
		entry.outcome = outcome;
		entry.seconds = entry.tracker?.workedSeconds(time) ?? 0;
	}

	/** `time` in milliseconds; undefined before jobs are expected. */
	totals(time: number): RunTotals | undefined {
		if (this.#entries.size === 0) return undefined;
		const entries = [...this.#entries.values()];
		const weight = sum(entries.map(entry => entry.weight));
		const done = sum(entries.map(entry => entry.weight * shareOf(entry)));
		const over = entries.every(entry => entry.outcome !== undefined);
		this.#highest = Math.max(this.#highest, over ? 1 : Math.min(0.995, weight > 0 ? done / weight : 0));
		const bytes = sum(entries.map(readOf));
		this.#rate.add(time, bytes);
		const eta = over ? undefined : this.#timeLeft(entries, time);
		const rate = this.#rate.perSecond;
		return {
			fraction: this.#highest,
			estimated: true,
			bytes,
			totalBytes: sum(entries.map(entry => totalOf(entry) ?? 0)),
			...(rate !== undefined && {rate}),
			...(eta !== undefined && {eta}),
		};
	}

	/** Undefined while something waits of which nothing is known. */
	#timeLeft(entries: readonly Entry[], time: number): number | undefined {
		const pace = paceOf(entries, time);
		const running = entries.flatMap(entry =>
			entry.tracker && entry.outcome === undefined ? [remainingOf(entry, time, pace)] : [],
		);
		const waiting = entries.flatMap(entry =>
			!entry.tracker && entry.outcome === undefined ? [expectedSeconds(entry.job, pace)] : [],
		);
		if ([...running, ...waiting].includes(undefined)) return undefined;
		const known = (seconds: readonly (number | undefined)[]) => seconds.map(one => one ?? 0);
		return timeLeft(known(running), known(waiting), this.#concurrency);
	}
}

/** What this run teaches about those that wait. */
type Pace = {
	/** Of the last run's times. */
	readonly slowness: number;
	/** Seconds; undefined when nothing has been read yet. */
	readonly perByte: number | undefined;
	readonly perJob: number;
};

function paceOf(entries: readonly Entry[], time: number): Pace {
	const seen = entries.flatMap(entry => {
		const {job, tracker, outcome} = entry;
		const share = shareOf(entry);
		if (!tracker || outcome === 'failed' || outcome === 'cancelled' || share < 0.05) return [];
		const seconds = outcome === 'done' ? entry.seconds : tracker.workedSeconds(time);
		return [{bytes: (job.bytes ?? 0) * share, seconds, expected: job.past && job.past.seconds * share}];
	});
	const big = seen.filter(one => one.bytes > small / 4);
	const tiny = seen.filter(one => one.bytes <= small / 4);
	const compared = seen.filter(one => one.expected !== undefined);
	const expected = sum(compared.map(one => one.expected ?? 0));
	const trust = 0.1 * sum(entries.map(({job}) => job.past?.seconds ?? 0)) + 0.001;
	return {
		slowness: (sum(compared.map(one => one.seconds)) + trust) / (expected + trust),
		// Each job counts once: one with narrow rows is twenty times as fast as one that is all TOAST, and the big ones are the fast ones.
		perByte: big.length > 0 ? sum(big.map(one => one.seconds / one.bytes)) / big.length : undefined,
		perJob: tiny.length > 0 ? sum(tiny.map(one => one.seconds)) / tiny.length : guess.job,
	};
}

function expectedSeconds({past, bytes}: ExpectedJob, pace: Pace): number | undefined {
	if (past) return past.seconds * pace.slowness;
	if (bytes === undefined) return undefined;
	if (pace.perByte === undefined) return bytes <= small ? pace.perJob : undefined;
	return Math.max(pace.perJob, bytes * pace.perByte);
}

function remainingOf({job, tracker}: Entry, time: number, pace: Pace): number | undefined {
	const own = tracker?.remaining(time);
	if (own !== undefined) return own;
	const whole = expectedSeconds(job, pace);
	const elapsed = tracker?.workedSeconds(time) ?? 0;
	return whole === undefined ? undefined : Math.max(0, whole - elapsed);
}

function shareOf({tracker, outcome}: Entry): number {
	return outcome === undefined ? (tracker?.fraction() ?? 0) : 1;
}

function totalOf({job, tracker}: Entry): number | undefined {
	return tracker?.readTotal ?? job.bytes;
}

function readOf(entry: Entry): number {
	if (entry.outcome !== undefined) return entry.outcome === 'done' ? (totalOf(entry) ?? 0) : (entry.tracker?.read ?? 0);
	return entry.tracker?.read ?? 0;
}

function sum(values: readonly number[]): number {
	return values.reduce((total, value) => total + value, 0);
}
