/** Estimates from finished jobs for those that run and wait. Pure. */
import type {Outcome} from '../core/events.js';
import {sum} from '../lib/sum.js';
import type {ExpectedJob, JobProgressTracker} from './job.js';
import type {TableRates} from './rates.js';
import type {TableFacts} from './tables.js';

export type RunEntry = {
	readonly job: ExpectedJob;
	/** What it reads, if known before it starts. */
	tables?: readonly TableFacts[];
	/** Present while it runs. */
	tracker?: JobProgressTracker | undefined;
	outcome?: Outcome | undefined;
	/** Seconds of its work, when it has ended. */
	seconds: number;
	/** What its tracker knew at its end, if it ran: trackers are big, and a run may have thousands of jobs. */
	ended?: Ended | undefined;
};

type Ended = {
	readonly dumpSeconds: number | undefined;
	readonly read: number;
	readonly readTotal: number | undefined;
};

export type Pace = {
	/** Relative to the times of the previous run. */
	readonly slowness: number;
	/** Seconds per byte of a database with unknown tables; undefined when nothing has been read yet. */
	readonly perByte: number | undefined;
	/** Seconds in addition to the bytes: connections, catalogs. */
	readonly perJob: number;
	/** The ratio of a job's seconds to those of its dump: checksums, encryption, upload. */
	readonly tail: number;
	readonly rates: TableRates;
};

/** Seconds of a dump in addition to its bytes, until some of this run have been measured. */
const guessedPerJob = 0.3;
/** Bytes below which a job's time says nothing about its rate. */
const smallJob = 16 * 1024 * 1024;

export function paceOf(entries: readonly RunEntry[], rates: TableRates, time: number): Pace {
	const seen = entries.flatMap(entry => {
		const {job, tracker, ended, outcome} = entry;
		const share = shareOf(entry);
		if ((!tracker && !ended) || outcome === 'failed' || outcome === 'cancelled' || share < 0.05) return [];
		const seconds = tracker?.workedSeconds(time) ?? entry.seconds;
		const dump = ended?.dumpSeconds;
		return [{bytes: (job.bytes ?? 0) * share, seconds, dump, expected: job.past && job.past.seconds * share}];
	});
	const big = seen.filter(one => one.bytes > smallJob);
	const tiny = seen.filter(one => one.bytes <= smallJob);
	const compared = seen.filter(one => one.expected !== undefined);
	const expected = sum(compared.map(one => one.expected ?? 0));
	const trust = 0.1 * sum(entries.map(({job}) => job.past?.seconds ?? 0)) + 0.001;
	const dumped = seen.filter(one => one.dump !== undefined && one.dump > 0);
	return {
		slowness: (sum(compared.map(one => one.seconds)) + trust) / (expected + trust),
		// Each job counts once: one with narrow rows is twenty times as fast as one with TOAST only, and the big ones are
		// the fast ones.
		perByte: big.length > 0 ? sum(big.map(one => one.seconds / one.bytes)) / big.length : undefined,
		perJob: tiny.length > 0 ? sum(tiny.map(one => one.seconds)) / tiny.length : guessedPerJob,
		tail: dumped.length > 0 ? sum(dumped.map(one => one.seconds)) / sum(dumped.map(one => one.dump ?? 0)) : 1,
		rates,
	};
}

/** Of the whole job; undefined when no similar job is known. */
export function expectedSeconds({job, tables, tracker}: RunEntry, pace: Pace): number | undefined {
	const {past, bytes, workers} = job;
	if (past) return past.seconds * pace.slowness;
	const copying = copySeconds(tracker?.tables ?? tables, workers, pace.rates);
	if (copying !== undefined) return pace.perJob + copying * pace.tail;
	if (bytes === undefined) return undefined;
	if (pace.perByte === undefined) return bytes <= smallJob * 4 ? pace.perJob : undefined;
	return Math.max(pace.perJob, bytes * pace.perByte);
}

/** The workers share the tables, but two of them never share one. */
function copySeconds(
	tables: readonly TableFacts[] | undefined,
	workers: number,
	rates: TableRates,
): number | undefined {
	if (!tables) return undefined;
	let [all, longest] = [0, 0];
	for (const table of tables) {
		const seconds = rates.seconds(table);
		if (seconds === undefined) return undefined;
		all += seconds;
		longest = Math.max(longest, seconds);
	}
	return Math.max(all / workers, longest);
}

export function remainingSeconds(entry: RunEntry, pace: Pace, time: number): number | undefined {
	if (entry.outcome !== undefined) return 0;
	const own = entry.tracker?.remaining(time);
	if (own !== undefined) return own;
	const whole = expectedSeconds(entry, pace);
	return whole === undefined ? undefined : Math.max(0, whole - (entry.tracker?.workedSeconds(time) ?? 0));
}

/** Returns 0 to 1 of a job. */
export function shareOf({tracker, outcome}: RunEntry): number {
	return outcome === undefined ? (tracker?.fraction() ?? 0) : 1;
}
