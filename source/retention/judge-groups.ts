/** Applies the policy to the groups of a listing, one after the other, and notes each outcome in its table. */
import type {GroupTable} from './group-table.js';
import type {HiddenRun} from './ownership.js';
import {
	createJudge,
	type Decision,
	doubtOf,
	isFromFuture,
	type JudgedGroup,
	type PolicyContext,
	type RetentionPolicy,
} from './policy.js';
import {ofAnotherServer, ofHiddenRun, type ProtectedWarnings} from './protected.js';
import {
	groupItems,
	hasManifest,
	nameOf,
	type PurgeGroup,
	type PurgeOptions,
	type PurgeSubject,
	repeatable,
} from './purge-plan.js';

export type TabledSubject = PurgeSubject & {
	/** By its text in file names. */
	readonly tables: readonly GroupTable[];
};

export type Judging = {
	readonly options: PurgeOptions;
	/** Why nothing may be removed by age. */
	readonly doubt: string | undefined;
	readonly hiddenRuns: readonly HiddenRun[];
	/** Returns true for a file in a manifest. */
	readonly isRecorded: (path: string) => boolean;
	/** Recorded files that are removed are added. */
	readonly going: Set<string>;
	readonly old: ProtectedWarnings;
};

/** Decides about all groups of a subject. Returns the oldest one that is dated in the future. */
export function judgeSubject(subject: TabledSubject, judging: Judging): PurgeGroup | undefined {
	const {policy, keptBecause, tables} = subject;
	const {options, doubt, isRecorded, going, old} = judging;
	const context = {start: options.start, now: options.now};
	const ahead = datedAhead(tables, context).at(-1);
	const inFuture = ahead && `${basename(nameOf(ahead))} is dated in the future`;
	const judge = createJudge(policy, {...context, clockDoubt: doubt ?? inFuture});
	let coming = subject.coming === true ? comingGroup(context) : undefined;
	for (const {table, row} of newestFirst(tables)) {
		if (coming && table.timeOf(row) < coming.time) {
			judge(coming); // only counted
			coming = undefined;
		}
		const group = judgedGroup(table, row, judging);
		const judged = judge(group);
		const isKept = judged.action === 'remove' && keptBecause !== undefined;
		const outcome = isKept ? ({action: 'keep', reason: keptBecause} as const) : judged;
		table.decide(row, outcome);
		const own = table.ownOf(row);
		if (!own) continue;
		if (own.protectedBecause !== own.doubt && isOld(own, policy, context)) old.add(subject, own);
		if (!own.record || outcome.action === 'keep') continue;
		for (const {path} of groupItems({group: own, ...outcome})) if (isRecorded(path)) going.add(path);
	}
	return ahead;
}

/** Returns what the policy needs of a group. */
function judgedGroup(table: GroupTable, row: number, {options, hiddenRuns}: Judging): JudgedGroup {
	const known = table.ownOf(row);
	const other = known && (known.foreign ?? ofAnotherServer(known.record, options.server));
	const mayBeHidden = hiddenRuns.length > 0 && other === undefined;
	const hidden = mayBeHidden ? ofHiddenRun(known ?? table.group(row), hiddenRuns) : undefined;
	const own = hidden === undefined ? known : table.own(row);
	if (!own) return {time: table.timeOf(row), whole: table.isWhole(row)};
	own.hidden = hidden;
	own.protectedBecause = other ?? hidden ?? own.doubt;
	return own;
}

/** The group that this run will write: a good dump, newer than all others except those from the future. */
function comingGroup({start}: PolicyContext): JudgedGroup {
	return {time: Math.floor(start / 1000) * 1000 + 999, whole: true, current: true};
}

function isOld(group: JudgedGroup, {olderThan, minKeep}: RetentionPolicy, {start}: PolicyContext): boolean {
	return minKeep !== Infinity && start - group.time > olderThan;
}

export type JudgingManifests = Pick<Judging, 'options' | 'doubt' | 'going'> & {
	readonly exists: (path: string) => boolean;
};

/** Decides about the groups of manifests, after those of all subjects. */
export function judgeManifests(runs: GroupTable, judging: JudgingManifests): void {
	const {options, doubt} = judging;
	const context = {start: options.start, now: options.now};
	const [newest] = datedAhead([runs], context);
	const judge = createJudge(options.runPolicy, {...context, clockDoubt: doubt ?? doubtOf(newest)});
	for (const row of runs.newestFirst()) {
		const group = runs.group(row);
		runs.decide(row, decideManifest({group, ...judge(group)}, judging));
	}
}

/** Removes a manifest when no file in it is kept. An unreadable one is kept, because its files are unknown. */
function decideManifest(
	decision: Decision<PurgeGroup>,
	{going, exists, options}: JudgingManifests,
): Decision<PurgeGroup> {
	const {group} = decision;
	const {record, foreign = group.doubt} = group;
	if (foreign !== undefined) return {group, action: 'keep', reason: foreign};
	const everything = options.runPolicy.olderThan < 0;
	if (group.current && !everything) return decision;
	if (record === undefined) {
		return hasManifest(group) ? {group, action: 'keep', reason: 'unknown contents'} : decision;
	}
	if (group.pinned !== undefined) return decision;
	if (record.files.some(file => !going.has(file.path) && exists(file.path)))
		return {group, action: 'keep', reason: 'describes files that stay'};
	if (group.locked !== undefined) return {group, action: 'keep', reason: group.locked};
	if (record.files.some(file => going.has(file.path)))
		return {group, action: 'remove', reason: 'all its files are removed'};
	return decision.action === 'keep' ? decision : {...decision, reason: 'none of its files is left'};
}

/** Returns what was decided, manifests first. */
export function decisionsOf(runs: GroupTable, subjects: readonly TabledSubject[]): Iterable<Decision<PurgeGroup>> {
	return repeatable(function* () {
		for (const tables of [[runs], ...subjects.map(subject => subject.tables)]) {
			for (const {table, row} of newestFirst(tables)) {
				const outcome = table.outcomeOf(row);
				if (outcome) yield {group: table.group(row), action: outcome.action, reason: outcome.reason};
			}
		}
	});
}

/** Returns the groups that are dated in the future, newest first. */
function datedAhead(tables: readonly GroupTable[], context: PolicyContext): readonly PurgeGroup[] {
	const ahead: PurgeGroup[] = [];
	for (const {table, row} of newestFirst(tables)) {
		if (!isFromFuture({time: table.timeOf(row)}, context)) break;
		const group = table.group(row);
		if (isFromFuture(group, context)) ahead.push(group);
	}
	return ahead;
}

type TableRow = {readonly table: GroupTable; readonly row: number};

/** Yields the groups of several tables in one order. */
function* newestFirst(all: readonly GroupTable[]): Generator<TableRow> {
	const tables = all.filter(table => table.size() > 0);
	const [table] = tables;
	if (table && tables.length === 1) {
		for (const row of table.newestFirst()) yield {table, row};
		return;
	}
	const rows = tables.flatMap(one => [...one.newestFirst()].map(row => ({table: one, row})));
	yield* rows.sort((a, b) => b.table.timeOf(b.row) - a.table.timeOf(a.row) || (textOf(a) < textOf(b) ? 1 : -1));
}

function textOf({table, row}: TableRow): string {
	return table.group(row).timeText;
}

function basename(path: string): string {
	return path.slice(path.lastIndexOf('/') + 1);
}
