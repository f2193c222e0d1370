/** Turns a listing into a purge plan: files into groups, groups to the policy. */
import {type ParsedName, parsePath, type Subject, subjectText, subjectTexts} from './names.js';
import type {HiddenRun} from './ownership.js';
import {applyPins} from './pins.js';
import {
	clockWentBack,
	decide,
	type Decision,
	isFromFuture,
	type PolicyContext,
	type RetentionPolicy,
} from './policy.js';
import {farthestZones, ofAnotherServer, ofHiddenRun, protectedWarnings} from './protected.js';
import {
	groupItems,
	hasManifest,
	type ListedEntry,
	manifestPaths,
	nameOf,
	type Pinned,
	type PurgeGroup,
	type PurgeOptions,
	type PurgePlan,
	type RecordedFile,
	type RunRecord,
} from './purge-plan.js';

type MutableGroup = {-readonly [K in keyof PurgeGroup]: PurgeGroup[K]};
/** The files at one place with one subject text, grouped by the text of their time. */
type Slot = {readonly stem: string; readonly groups: Map<string, MutableGroup>};

const runSubject: Subject = {kind: 'run'};

export type Planner = {
	/** Adds one entry of the listing. Returns false for a file that is not ours, which is ignored. */
	readonly add: (entry: ListedEntry) => boolean;
	/** Returns files that are in manifests but not in the listing: the caller checks which of them exist. */
	readonly unlisted: () => readonly string[];
	/** Returns the pins that were added, which the caller reads. */
	readonly pins: () => readonly string[];
	/** Pure: the same entries and options give the same plan. */
	readonly plan: (location: string, found?: Found) => PurgePlan;
};

type Found = {
	/** Those of `unlisted` that exist. */
	readonly existing?: ReadonlySet<string>;
	/** Their dumps are kept. */
	readonly hiddenRuns?: readonly HiddenRun[];
	/** What each of `pins` keeps. */
	readonly pins?: ReadonlyMap<string, Pinned>;
};

/**
 * Collects a listing, and plans. `directoryOf` returns the directory of a subject text, with a trailing slash (or empty).
 * Keeps only compact groups, for listings of any size; with `nameMembers` also the names of files of directory dumps.
 */
export function createPlanner(
	options: PurgeOptions,
	directoryOf: (subjectText: string) => string,
	{nameMembers = false}: {readonly nameMembers?: boolean} = {},
): Planner {
	const slots = new Map<string, Slot>();
	const slotFor = (subject: Subject, text: string): Slot => {
		const slot: Slot = {stem: `${directoryOf(text)}${text}_`, groups: new Map()};
		slots.set(slotKey(slot.stem, subject), slot);
		return slot;
	};
	const subjects = options.subjects.map(({subject, policy, coming, keptBecause}) => ({
		subject,
		policy,
		coming: coming === true,
		keptBecause,
		slots: subjectTexts(subject, options.databases).map(text => slotFor(subject, text)),
	}));
	const runs = slotFor(runSubject, subjectText(runSubject));

	const recorded = new Map<string, {record: RunRecord; file: RecordedFile}>();
	for (const record of options.records ?? []) {
		for (const file of record.files) recorded.set(file.path, {record, file});
	}
	const records = byManifest(options.records ?? []);
	const seen = new Set<string>();
	const pinPaths: string[] = [];
	const collected = {options, nameMembers, slots, recorded, records, seen, pinPaths, shareTails: createSharing()};

	return {
		add: entry => addEntry(collected, entry),

		pins: () => pinPaths,

		unlisted: () => [...recorded.keys()].filter(path => !seen.has(path)),

		plan(location, {existing = new Set(), hiddenRuns = [], pins = new Map()} = {}) {
			for (const slot of slots.values()) applyPins(slot.groups.values(), pins, records);
			const context = {start: options.start, now: options.now};
			const warnings: string[] = [];
			const old: PurgeGroup[] = [];
			const doubt = clockWentBack(context) ?? doubtOfManifests(records.values(), options, warnings);
			const decisions = subjects.flatMap(({subject, policy, coming, keptBecause, slots: own}) => {
				const groups = own.flatMap(slot => [...slot.groups.values()]);
				for (const group of groups) {
					const other = group.foreign ?? ofAnotherServer(group.record, options.server);
					group.hidden = other === undefined ? ofHiddenRun(group, hiddenRuns) : undefined;
					group.protectedBecause = other ?? group.hidden ?? group.doubt;
				}
				old.push(...groups.filter(group => group.protectedBecause !== group.doubt && isOld(group, policy, context)));
				const ahead = groups.find(group => isFromFuture(group, context));
				if (ahead)
					warnings.push(`nothing is purged by age for ${describeSubject(subject)}: ${fromFuture(nameOf(ahead))}`);
				const judged = decide<PurgeGroup>(
					coming && own[0] ? [...groups, comingGroup(own[0], context)] : groups,
					policy,
					{
						...context,
						clockDoubt: doubt ?? (ahead && `${basename(nameOf(ahead))} is dated in the future`),
					},
				);
				return judged
					.filter(({group}) => group.tails.length > 0 || group.directory) // future files are not in the listing
					.map(decision => (keptBecause === undefined ? decision : keep(decision, keptBecause)));
			});
			warnings.push(...protectedWarnings(old));
			const going = new Set<string>();
			for (const decision of recorded.size === 0 ? [] : decisions) {
				if (decision.action === 'keep') continue;
				for (const {path} of groupItems(decision)) if (recorded.has(path)) going.add(path);
			}
			const exists = (path: string) => seen.has(path) || existing.has(path);
			const manifests = decide<PurgeGroup>([...runs.groups.values()], options.runPolicy, {
				...context,
				clockDoubt: doubt,
			}).map(decision => decideManifest(decision, going, exists, options));
			return {location, decisions: [...manifests, ...decisions], warnings};
		},
	};
}

function byManifest(records: readonly RunRecord[]): ReadonlyMap<string, RunRecord> {
	return new Map(
		records.flatMap(record => [record.path, ...manifestPaths(record)].map(path => [path, record] as const)),
	);
}

type Collected = {
	readonly options: PurgeOptions;
	readonly nameMembers: boolean;
	readonly slots: ReadonlyMap<string, Slot>;
	/** The records of files in manifests, by path. */
	readonly recorded: ReadonlyMap<string, {readonly record: RunRecord; readonly file: RecordedFile}>;
	/** Manifests, by path. */
	readonly records: ReadonlyMap<string, RunRecord>;
	/** Recorded files that were in the listing. */
	readonly seen: Set<string>;
	readonly pinPaths: string[];
	readonly shareTails: (tails: readonly string[]) => readonly string[];
};

function addEntry(collected: Collected, entry: ListedEntry): boolean {
	const {slots, recorded, records, seen} = collected;
	const parsed = parsePath(entry.path);
	if (parsed === undefined) return false;
	const {directory, member} = parsed;
	if (member === undefined && entry.directory !== isDirectoryDump(parsed)) return false; // a directory with the name of a file, or the reverse
	const path = member === undefined ? entry.path : entry.path.slice(0, -member.length - 1);
	if (recorded.has(path)) seen.add(path);
	const slot = slots.get(slotKey(`${directory}${parsed.subjectText}_`, parsed.subject));
	if (slot === undefined) return false;
	const found = recorded.get(path);
	const group = groupOf(slot, parsed);
	group.foreign ??= entry.foreign;
	group.doubt ??= entry.doubt;
	group.record ??= found?.record ?? records.get(path);
	if (found?.file.time !== undefined && isSameInstant(parsed, found.file.time)) group.time = found.file.time;
	if (isWholeDump(parsed, entry, found?.file)) group.whole = true;
	if (parsed.suffix === 'pinned.json' && entry.foreign === undefined) collected.pinPaths.push(path);
	noteEntry(collected, group, {entry, parsed, path});
	return true;
}

type Listed = {readonly entry: ListedEntry; readonly parsed: ParsedName; readonly path: string};

/** Adds what the entry itself tells to the group. */
function noteEntry(
	{options, nameMembers, shareTails}: Collected,
	group: MutableGroup,
	{entry, parsed, path}: Listed,
): void {
	if (entry.lockedUntil !== undefined && entry.lockedUntil > options.now)
		group.locked = `locked until ${formatInstant(entry.lockedUntil)}`;
	if (nameMembers && parsed.member !== undefined && !entry.directory)
		group.members = [...(group.members ?? []), parsed.member];
	if (options.current.has(path)) group.current = true;
	if (isDirectoryDump(parsed)) group.directory = true;
	else group.tails = shareTails([...group.tails, path.slice(group.stem.length + parsed.timeText.length)]);
}

function isDirectoryDump({suffix, checksum}: ParsedName): boolean {
	return suffix === 'd' && checksum === undefined;
}

function keep(decision: Decision<PurgeGroup>, reason: string): Decision<PurgeGroup> {
	return decision.action === 'keep' ? decision : {...decision, action: 'keep', reason};
}

/** Returns the group that this run will write: a good dump, newer than all others except those from the future. */
function comingGroup({stem}: Slot, {start}: PolicyContext): PurgeGroup {
	const time = Math.floor(start / 1000) * 1000 + 999;
	return {timeText: '', time, whole: true, current: true, stem, tails: [], directory: false, record: undefined};
}

function doubtOfManifests(
	records: Iterable<RunRecord>,
	{now, current}: PurgeOptions,
	warnings: string[],
): string | undefined {
	for (const record of records) {
		const {path, time} = record;
		const isCurrent = manifestPaths(record).some(one => current.has(one));
		if (!isFromFuture({time, current: isCurrent}, {now})) continue;
		warnings.push(`nothing is purged by age: ${fromFuture(path)}`);
		return `${basename(path)} is dated in the future`;
	}
	return undefined;
}

function fromFuture(path: string): string {
	return `${path} is dated in the future; check the clock, then rename or remove that file`;
}

function describeSubject(subject: Subject): string {
	return subject.kind === 'database' ? `database ${subject.name}` : subjectText(subject);
}

function basename(path: string): string {
	return path.slice(path.lastIndexOf('/') + 1);
}

function formatInstant(time: number): string {
	return new Date(time).toISOString().replace('.000Z', 'Z');
}

/** A local time identifies an instant only together with its zone, which the manifest has. */
function isSameInstant({time, timeText}: ParsedName, recorded: number): boolean {
	return Math.abs(recorded - time) < (timeText.includes('T') ? 1000 : farthestZones);
}

function slotKey(stem: string, subject: Subject): string {
	return subject.kind === 'run' ? `run\0${stem}` : stem;
}

function groupOf({stem, groups}: Slot, parsed: ParsedName): MutableGroup {
	const old = groups.get(parsed.timeText);
	if (old) return old;
	// A copy: a slice of a page's text would keep the whole page in memory.
	const timeText = Buffer.from(parsed.timeText).toString();
	const group: MutableGroup = {
		timeText,
		time: parsed.time,
		whole: false,
		current: false,
		stem,
		tails: [],
		directory: false,
		record: undefined,
	};
	groups.set(timeText, group);
	return group;
}

/** There are few different lists of tails: each is stored once. */
function createSharing(): (tails: readonly string[]) => readonly string[] {
	const lists = new Map<string, readonly string[]>();
	return tails => {
		const key = tails.join('/');
		const known = lists.get(key);
		if (known) return known;
		const copy = tails.map(tail => Buffer.from(tail).toString());
		lists.set(copy.join('/'), copy);
		return copy;
	};
}

/** A directory dump is complete when its table of contents exists: it is written last and removed first. */
export const contentsNames = ['toc.dat', 'toc.dat.age'] as const;

function isWholeDump(parsed: ParsedName, entry: ListedEntry, file: RecordedFile | undefined): boolean {
	if (file?.good === false || parsed.checksum !== undefined || parsed.suffix === 'createdb.sql') return false;
	if (parsed.suffix === 'd') return contentsNames.some(name => name === parsed.member) && entry.size > 0;
	if (parsed.subject.kind === 'run') return false;
	return entry.size > 0 && (file?.size === undefined || file.size === entry.size);
}

function isOld(group: PurgeGroup, {olderThan, minKeep}: RetentionPolicy, {start}: PolicyContext): boolean {
	return minKeep !== Infinity && start - group.time > olderThan;
}

/** Removes a manifest when no file in it is kept. An unreadable one is kept, because its files are unknown. */
function decideManifest(
	decision: Decision<PurgeGroup>,
	going: ReadonlySet<string>,
	exists: (path: string) => boolean,
	options: PurgeOptions,
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
