/** The progress of a run: all jobs together, the remaining work, and its duration. No I/O. */
import type {Outcome, RunTotals} from '../core/events.js';
import {RateWindow} from '../lib/rate.js';
import {sum} from '../lib/sum.js';
import {timeLeft} from './eta.js';
import type {ExpectedJob, JobProgressTracker} from './job.js';
import {expectedSeconds, type Pace, paceOf, remainingSeconds, type RunEntry, shareOf} from './pace.js';
import {TableRates} from './rates.js';
import type {TableFacts} from './tables.js';

type Entry = RunEntry & {
	/**
	 * From the previous run, or the size, while this run has no measurements: only proportions matter, for the
	 * percentage.
	 */
	readonly weight: number;
};

/** Seconds of a job in addition to its bytes, and per byte, where only proportions matter. */
const guess = {job: 0.3, byte: 1 / 50_000_000} as const;
const windowMs = 10_000;
/** Bytes below which the time of an earlier dump says nothing about its rate. */
const smallPast = 64 * 1024 * 1024;
/** Fraction of a run's bytes below which a database does not affect the remaining time. */
const worthKnowing = 0.01;

export class RunProgress {
	/** The rates to which the dumps of this run contribute, and by which they are estimated. */
	readonly rates = new TableRates();
	readonly #entries = new Map<string, Entry>();
	readonly #rate = new RateWindow(windowMs);
	readonly #concurrency: number;
	#highest = 0;

	constructor(concurrency: number) {
		this.#concurrency = concurrency;
	}

	/** In the order in which they will be started. */
	expect(jobs: readonly ExpectedJob[]): void {
		const known = jobs.flatMap(job => (job.past && job.past.bytes > smallPast ? [job.past] : []));
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
		entry.ended = undefined;
		if (entry.tables) tracker.setTables(entry.tables);
	}

	finished(id: string, outcome: Outcome, time: number): void {
		const entry = this.#entries.get(id);
		if (!entry) return;
		entry.outcome = outcome;
		const {tracker} = entry;
		if (!tracker) return;
		entry.seconds = tracker.workedSeconds(time);
		entry.ended = {dumpSeconds: tracker.dumpSeconds, read: tracker.read, readTotal: tracker.readTotal};
		entry.tracker = undefined;
	}

	/** The job has released its locks, and runs again after all others. */
	requeued(id: string): void {
		const entry = this.#entries.get(id);
		if (!entry) return;
		const {job, weight, tracker} = entry;
		const tables = tracker?.tables ?? entry.tables;
		this.#entries.delete(id);
		this.#entries.set(id, {job, weight, seconds: 0, ...(tables && {tables})});
	}

	/** Sets what a waiting dump will read. */
	setTables(id: string, tables: readonly TableFacts[]): void {
		const entry = this.#entries.get(id);
		if (entry && !entry.tracker) entry.tables = tables;
	}

	/**
	 * Returns waiting dumps of which only the size is known, although they are a significant part of the run: their
	 * contents determine how long they take. At most a hundred, in the order of starting.
	 */
	unknown(): readonly string[] {
		const entries = [...this.#entries.values()];
		const enough = sum(entries.map(({job}) => job.bytes ?? 0)) * worthKnowing;
		return entries
			.filter(
				({job, tables, tracker, outcome}) =>
					job.application !== '' &&
					!job.past &&
					!tables &&
					!tracker &&
					outcome === undefined &&
					(job.bytes ?? 0) >= enough,
			)
			.map(({job}) => job.id);
	}

	/** `time` is in milliseconds; undefined before jobs are expected. */
	totals(time: number): RunTotals | undefined {
		if (this.#entries.size === 0) return undefined;
		const entries = [...this.#entries.values()];
		const pace = paceOf(entries, this.rates, time);
		const ended = entries.every(entry => entry.outcome !== undefined);
		this.#highest = Math.max(this.#highest, ended ? 1 : Math.min(0.995, fractionOf(entries, pace, time)));
		const bytes = sum(entries.map(readOf));
		this.#rate.add(time, bytes);
		const eta = ended ? undefined : this.#timeLeft(entries, pace, time);
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

	/** Returns undefined while nothing is known about a waiting job. */
	#timeLeft(entries: readonly Entry[], pace: Pace, time: number): number | undefined {
		const open = entries.filter(entry => entry.outcome === undefined);
		const left = open.map(entry => remainingSeconds(entry, pace, time));
		if (left.includes(undefined)) return undefined;
		const of = (running: boolean) =>
			left.flatMap((seconds = 0, index) => ((open[index]?.tracker !== undefined) === running ? [seconds] : []));
		return timeLeft(of(true), of(false), this.#concurrency);
	}
}

/**
 * Returns the fraction of the run: each job's share, weighted by its measured or estimated seconds; by sizes before
 * this run has measurements.
 */
function fractionOf(entries: readonly Entry[], pace: Pace, time: number): number {
	const seconds = entries.map(entry => wholeSeconds(entry, pace, time));
	const known = !seconds.includes(undefined) && sum(seconds.map(one => one ?? 0)) > 0;
	const weights = entries.map((entry, index) => (known ? (seconds[index] ?? 0) : entry.weight));
	const all = sum(weights);
	return all > 0 ? sum(entries.map((entry, index) => (weights[index] ?? 0) * shareOf(entry))) / all : 0;
}

function wholeSeconds(entry: Entry, pace: Pace, time: number): number | undefined {
	const {job, tracker, outcome, seconds} = entry;
	if (job.past) return job.past.seconds * pace.slowness;
	if (outcome !== undefined) return seconds;
	const left = tracker?.remaining(time);
	return tracker && left !== undefined ? tracker.workedSeconds(time) + left : expectedSeconds(entry, pace);
}

function totalOf({job, tracker, ended}: Entry): number | undefined {
	return (tracker ?? ended)?.readTotal ?? job.bytes;
}

function readOf(entry: Entry): number {
	const {tracker, outcome, ended} = entry;
	// A job with unknown tables has read everything when its dump has ended.
	if (outcome === 'done' || tracker?.dumping === false) return totalOf(entry) ?? 0;
	return (tracker ?? ended)?.read ?? 0;
}
