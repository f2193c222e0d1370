/** Decides which dumps of one subject are kept, and why. Pure: no clock, no files. */
import {type PeriodKind, periodOf} from './periods.js';

/** Numbers of dumps and of periods may be Infinity: all of them. */
export type RetentionPolicy = {
	/**
	 * Milliseconds: dumps strictly older than the start of the run minus this may be removed. A negative value puts the
	 * limit into the future: then dumps of this run are removed too, and the last dump is not protected.
	 */
	readonly olderThan: number;
	/** The number of newest complete dumps that are kept at any age. */
	readonly minKeep: number;
	/** The number of newest days (weeks, months, years) with dumps; the newest complete dump of each is kept. */
	readonly keepDaily?: number;
	readonly keepWeekly?: number;
	readonly keepMonthly?: number;
	readonly keepYearly?: number;
};

/** All files of one subject with the same time in their names: the output of one run. */
export type DumpGroup = {
	readonly timeText: string;
	/** Milliseconds since the epoch. */
	readonly time: number;
	/** Contains a complete dump as far as known; leftover checksums, truncated dumps and failed ones are not complete. */
	readonly whole: boolean;
	/** Written by this run. */
	readonly current?: boolean;
	/** Why this dump is not ours to remove, such as `of another server (db2:5432)`: it is kept and not counted. */
	readonly protectedBecause?: string;
	/**
	 * Who pinned it and why, such as `pinned by dba: before the migration`: it is kept and counted like any other dump.
	 */
	readonly pinned?: string;
	/**
	 * Why the place refuses to remove it, such as `locked until 2027-01-01T00:00:00Z`: it is kept and counted like any
	 * other dump.
	 */
	readonly locked?: string;
};

export type PolicyContext = {
	/** Start of this run in milliseconds since the epoch, rounded down to a second. */
	readonly start: number;
	/** Milliseconds since the epoch, when the purge starts. */
	readonly now: number;
	/** Why nothing may be removed by age: the clock, or the time of a dump, cannot be trusted. */
	readonly clockDoubt?: string;
};

export type Outcome = {readonly action: 'keep' | 'remove'; readonly reason: string};
export type Decision<Group> = Outcome & {readonly group: Group};

const second = 1000;
const day = 86_400 * second;
/** An incomplete dump younger than this may still be in progress. */
const unfinishedGrace = day;

/** Returns one decision for each group, newest first. */
export function decide<Group extends DumpGroup>(
	groups: readonly Group[],
	policy: RetentionPolicy,
	context: PolicyContext,
): Decision<Group>[] {
	const newestFirst = groups.toSorted((a, b) => b.time - a.time || (a.timeText < b.timeText ? 1 : -1));
	const clockDoubt =
		context.clockDoubt ?? clockWentBack(context) ?? doubtOf(newestFirst.find(group => isFromFuture(group, context)));
	const judge = createJudge(policy, {...context, clockDoubt});
	return newestFirst.map(group => ({group, ...judge(group)}));
}

/** What the policy needs of a group. */
export type JudgedGroup = Omit<DumpGroup, 'timeText'>;

/**
 * Returns the function that decides about one group after the other, newest first, so that no list of them is needed.
 * `context` must contain the doubt about a dump from the future.
 */
export function createJudge(policy: RetentionPolicy, context: PolicyContext): (group: JudgedGroup) => Outcome {
	const countedAs = createCount(policy);
	const start = Math.floor(context.start / second) * second;
	const judged = {...context, start, clockDoubt: context.clockDoubt ?? clockWentBack(context)};
	const limit = describeLimit(policy);
	const incomplete = `no complete dump in it, ${limit}`;
	return group => {
		const kept = reasonToKeep(group, countedAs(group), policy, judged);
		if (kept !== undefined) return {action: 'keep', reason: kept};
		if (group.locked !== undefined) return {action: 'keep', reason: group.locked};
		return {action: 'remove', reason: group.whole ? limit : incomplete};
	};
}

/** Milliseconds by which the clocks of other hosts may be ahead of ours. */
const clockTolerance = 5 * 60 * second;

/** Returns a reason when the clock was set back during the run, which makes ages meaningless. */
export function clockWentBack({start, now}: PolicyContext): string | undefined {
	return now < start - second ? `the clock was set back by ${formatAge(start - now)} during the run` : undefined;
}

/**
 * Returns true for a dump (or a manifest) of another run dated in the future: one of the clocks is wrong, and nothing
 * is removed by age.
 */
export function isFromFuture(
	other: {readonly time: number; readonly current?: boolean},
	{now}: Pick<PolicyContext, 'now'>,
): boolean {
	return other.current !== true && other.time > now + clockTolerance;
}

export function doubtOf(ahead: JudgedGroup | undefined): string | undefined {
	return ahead && `a dump of ${new Date(ahead.time).toISOString()} is dated in the future`;
}

function reasonToKeep(
	group: JudgedGroup,
	counted: string | undefined,
	policy: RetentionPolicy,
	{start, clockDoubt}: PolicyContext,
): string | undefined {
	if (policy.minKeep === Infinity) return 'all are kept';
	if (group.protectedBecause !== undefined) return group.protectedBecause;
	if (group.pinned !== undefined) return group.pinned;
	const everything = policy.olderThan < 0;
	if (group.current && !everything) return 'of this run';
	if (counted !== undefined) return counted;
	const age = start - group.time;
	if (!(age > policy.olderThan)) {
		return everything ? 'its time is in the future' : `${describeAge(age)}, kept until ${formatAge(policy.olderThan)}`;
	}
	if (everything) return undefined;
	if (clockDoubt !== undefined) return `nothing is removed by age: ${clockDoubt}`;
	if (!group.whole && age < unfinishedGrace) return 'no complete dump in it, but it may still be being written';
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

/**
 * Returns the function that gives the reason for which a number keeps a group, to be called for each, newest first. Only
 * complete dumps are counted, so that a broken one does not displace a good one.
 */
function createCount(policy: RetentionPolicy): (group: JudgedGroup) => string | undefined {
	const {minKeep, olderThan} = policy;
	const kinds = periodKinds.map(([kind, key]) => ({kind, most: policy[key] ?? 0, seen: new Set<string>()}));
	let counted = 0;
	return group => {
		if (!group.whole || group.protectedBecause !== undefined) return undefined;
		let reason: string | undefined;
		for (const {kind, most, seen} of kinds) {
			if (seen.size >= most) continue;
			const period = periodOf(group.time, kind);
			if (!seen.has(period)) reason = `kept as the ${kind} of ${period}`;
			seen.add(period);
		}
		const rank = counted++;
		if (rank < minKeep) return minKeep > 1 ? `newest ${minKeep} are kept` : 'newest is kept';
		return reason ?? (rank === 0 && olderThan >= 0 ? 'last good dump' : undefined);
	};
}

function describeAge(age: number): string {
	return age < 0 ? 'newer than this run' : `${formatAge(age)} old`;
}

/**
 * Returns `12 days`, `36 hours`, `5 minutes`: rounded down, in the largest unit of which there are at least two (or
 * exactly one).
 */
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
