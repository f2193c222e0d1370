/** Which dumps of one subject stay, and why. Pure: no clock, no files. */
import {periodOf, type PeriodKind} from './periods.js';

/** Numbers of dumps and of periods may be Infinity: all of them. */
export type RetentionPolicy = {
	/**
	 * Milliseconds: what is strictly older than the start of the run minus this may go. Negative puts the limit into the
	 * future: then dumps of this run go as well, and no dump is kept for being the last one.
	 */
	readonly olderThan: number;
	/** The newest whole dumps that stay whatever their age. */
	readonly minKeep: number;
	/** Of so many of the newest days (weeks, months, years) that have one, the newest whole dump stays. */
	readonly keepDaily?: number;
	readonly keepWeekly?: number;
	readonly keepMonthly?: number;
	readonly keepYearly?: number;
};

/** All files of one subject with the same time in their names: what one run wrote about it. */
export type DumpGroup = {
	readonly timeText: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	/** Holds a whole dump as far as is known; left-over checksums, cut dumps and failed ones are not whole. */
	readonly whole: boolean;
	/** Written by this run. */
	readonly current?: boolean;
	/** Why this dump is not ours to remove, such as `it belongs to another cluster`. */
	readonly hands?: string;
};

export type PolicyContext = {
	/** Start of this run in milliseconds since the epoch; counts by its whole second. */
	readonly start: number;
	/** Milliseconds since the epoch, when the purge begins. */
	readonly now: number;
	/** Why nothing may be removed by age: the clock cannot be trusted. */
	readonly clockDoubt?: string;
};

export type Decision<Group> = {readonly group: Group; readonly action: 'keep' | 'remove'; readonly reason: string};

const second = 1000;
const day = 86_400 * second;
/** So long may a dump that is not whole yet be one that somebody is still writing. */
const unfinishedGrace = day;

/** One decision for each group, newest first. */
export function decide<Group extends DumpGroup>(
	groups: readonly Group[],
	policy: RetentionPolicy,
	context: PolicyContext,
): Decision<Group>[] {
	const newestFirst = groups.toSorted((a, b) => b.time - a.time || (a.timeText < b.timeText ? 1 : -1));
	const reasons = keptWhole(newestFirst, policy);
	const start = Math.floor(context.start / second) * second;
	const clockDoubt = context.clockDoubt ?? doubtClock(newestFirst, context);
	const limit = describeLimit(policy);
	const incomplete = `no whole dump in it, ${limit}`;
	return newestFirst.map(group => {
		const kept = reasonToKeep(group, reasons.get(group), policy, {...context, start, clockDoubt});
		if (kept !== undefined) return {group, action: 'keep', reason: kept};
		return {group, action: 'remove', reason: group.whole ? limit : incomplete};
	});
}

/** Other hosts' clocks may be ahead of ours by this much before we doubt our own. */
const clockTolerance = 5 * 60 * second;

/**
 * Why the clock cannot be trusted, if so: it went back during the run, or a dump (a run, a manifest) of another run is from
 * the future. Ages mean nothing then.
 */
export function doubtClock(
	others: readonly {readonly time: number; readonly current?: boolean}[],
	{start, now}: PolicyContext,
): string | undefined {
	if (now < start - second) return `the clock went back by ${formatAge(start - now)} during the run`;
	const ahead = others.find(other => !other.current && other.time > now + clockTolerance);
	return ahead && `a dump of ${new Date(ahead.time).toISOString()} lies in the future`;
}

function reasonToKeep(
	group: DumpGroup,
	counted: string | undefined,
	policy: RetentionPolicy,
	{start, clockDoubt}: PolicyContext,
): string | undefined {
	if (policy.minKeep === Infinity) return 'all are kept';
	if (group.hands !== undefined) return group.hands;
	const everything = policy.olderThan < 0;
	if (group.current && !everything) return 'of this run';
	if (counted !== undefined) return counted;
	const age = start - group.time;
	if (!(age > policy.olderThan)) {
		return everything
			? 'its time lies in the future'
			: `${describeAge(age)}, kept until ${formatAge(policy.olderThan)}`;
	}
	if (everything) return undefined;
	if (clockDoubt !== undefined) return `nothing is removed by age: ${clockDoubt}`;
	if (!group.whole && age < unfinishedGrace) return 'no whole dump in it, but it may still be written';
	return undefined;
}

function describeLimit({olderThan}: RetentionPolicy): string {
	if (olderThan < 0) return 'the purge interval is negative';
	return olderThan === 0 ? 'older than this run' : `older than ${formatAge(olderThan)}`;
}

const periodKinds = [
	['daily', 'keepDaily'],
	['weekly', 'keepWeekly'],
	['monthly', 'keepMonthly'],
	['yearly', 'keepYearly'],
] as const satisfies readonly (readonly [PeriodKind, keyof RetentionPolicy])[];

/** Only whole dumps count, so that nothing broken pushes out a good one. */
function keptWhole<Group extends DumpGroup>(
	newestFirst: readonly Group[],
	policy: RetentionPolicy,
): Map<Group, string> {
	const whole = newestFirst.filter(group => group.whole && group.hands === undefined);
	const reasons = new Map<Group, string>();
	for (const [kind, key] of periodKinds) {
		const seen = new Set<string>();
		for (const group of whole) {
			if (seen.size >= (policy[key] ?? 0)) break;
			const period = periodOf(group.time, kind);
			if (!seen.has(period)) reasons.set(group, `kept as the ${kind} of ${period}`);
			seen.add(period);
		}
	}
	const newest = whole.slice(0, Math.max(0, policy.minKeep));
	for (const group of newest)
		reasons.set(group, policy.minKeep > 1 ? `newest ${policy.minKeep} are kept` : 'newest is kept');
	const [last] = whole;
	if (last && policy.olderThan >= 0 && !reasons.has(last)) reasons.set(last, 'last good dump');
	return reasons;
}

function describeAge(age: number): string {
	return age < 0 ? 'newer than this run' : `${formatAge(age)} old`;
}

/** `12 days`, `36 hours`, `5 minutes`: rounded down, in the largest unit of which there are at least two (or exactly one). */
export function formatAge(milliseconds: number): string {
	const units = [
		['day', day],
		['hour', 3600 * second],
		['minute', 60 * second],
		['second', second],
	] as const;
	const size = Math.abs(milliseconds);
	const [name, length] = units.find(([, unit]) => size >= 2 * unit || size === unit) ?? units[3];
	const count = Math.floor(size / length);
	return `${count} ${name}${count === 1 ? '' : 's'}`;
}
