/** Turns a listing into a purge plan: files into groups, groups to the policy. */
import {contentsNames} from '../core/directory-dump.js';
import {createGroupTable, createOutcomes, type GroupTable, type OwnGroup} from './group-table.js';
import {decisionsOf, judgeManifests, judgeSubject, type TabledSubject} from './judge-groups.js';
import {dumpPath, type ParsedName, parsePath, type Subject, subjectText, subjectTexts} from './names.js';
import type {HiddenRun} from './ownership.js';
import {applyPins} from './pins.js';
import {clockWentBack, isFromFuture} from './policy.js';
import {createProtectedWarnings, farthestZones} from './protected.js';
import {
	groupItems,
	type ListedEntry,
	manifestPaths,
	nameOf,
	type Pinned,
	type PurgeOptions,
	type PurgePlan,
	type RecordedFile,
	type RunRecord,
} from './purge-plan.js';
import {createShapes} from './shapes.js';

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
	const shapes = createShapes();
	const outcomes = createOutcomes();
	const tables = new Map<string, GroupTable>();
	const tableFor = (subject: Subject, text: string): GroupTable => {
		const table = createGroupTable(`${directoryOf(text)}${text}_`, shapes, outcomes);
		tables.set(tableKey(table.stem, subject), table);
		return table;
	};
	const subjects = options.subjects.map((one): TabledSubject => ({
		...one,
		tables: subjectTexts(one.subject, options.databases).map(text => tableFor(one.subject, text)),
	}));
	const runs = tableFor(runSubject, subjectText(runSubject));

	const recorded = new Map<string, {record: RunRecord; file: RecordedFile}>();
	for (const record of options.records ?? []) {
		for (const file of record.files) recorded.set(file.path, {record, file});
	}
	const records = byManifest(options.records ?? []);
	const seen = new Set<string>();
	const pinPaths: string[] = [];
	const collected = {options, nameMembers, tables, recorded, records, seen, pinPaths};

	return {
		add: entry => addEntry(collected, entry),

		pins: () => pinPaths,

		unlisted: () => [...recorded.keys()].filter(path => !seen.has(path)),

		plan(location, {existing = new Set(), hiddenRuns = [], pins = new Map()} = {}) {
			applyPins(path => listedGroup(tables, path), pins, records);
			const warnings: string[] = [];
			const old = createProtectedWarnings();
			const doubt = clockWentBack(options) ?? doubtOfManifests(records.values(), options, warnings);
			const going = new Set<string>();
			const isRecorded = (path: string) => recorded.has(path);
			const judging = {options, doubt, hiddenRuns, isRecorded, going, old};
			for (const subject of subjects) {
				const ahead = judgeSubject(subject, judging);
				const name = describeSubject(subject.subject);
				if (ahead) warnings.push(`nothing is purged by age for ${name}: ${fromFuture(nameOf(ahead))}`);
			}
			warnings.push(...old.lines());
			const exists = (path: string) => seen.has(path) || existing.has(path);
			judgeManifests(runs, {options, doubt, going, exists});
			return {location, decisions: decisionsOf(runs, subjects), warnings};
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
	readonly tables: ReadonlyMap<string, GroupTable>;
	/** The records of files in manifests, by path. */
	readonly recorded: ReadonlyMap<string, {readonly record: RunRecord; readonly file: RecordedFile}>;
	/** Manifests, by path. */
	readonly records: ReadonlyMap<string, RunRecord>;
	/** Recorded files that were in the listing. */
	readonly seen: Set<string>;
	readonly pinPaths: string[];
};

function addEntry(collected: Collected, entry: ListedEntry): boolean {
	const {tables, recorded, seen} = collected;
	const parsed = parsePath(entry.path);
	if (parsed === undefined) return false;
	const {directory, member} = parsed;
	if (member === undefined && entry.directory !== isDirectoryDump(parsed)) return false; // a directory with the name of a file, or the reverse
	const path = dumpPath(entry.path, member);
	const found = recorded.size === 0 ? undefined : recorded.get(path);
	if (found) seen.add(path);
	const table = tables.get(tableKey(`${directory}${parsed.subjectText}_`, parsed.subject));
	if (table === undefined) return false;
	const row = table.rowOf(parsed);
	const tail = isDirectoryDump(parsed) ? undefined : path.slice(table.stem.length + parsed.timeText.length);
	table.addFile(row, tail, isWholeDump(parsed, entry, found?.file));
	if (parsed.suffix === 'pinned.json' && entry.foreign === undefined) collected.pinPaths.push(path);
	const extras = extrasOf(collected, {entry, parsed, path});
	if (!extras) return true;
	const group = table.own(row);
	noteExtras(group, entry, extras);
	if (found?.file.time !== undefined && isSameInstant(parsed, found.file.time)) group.time = found.file.time;
	return true;
}

function noteExtras(group: OwnGroup, entry: ListedEntry, {record, locked, member, isCurrent}: Extras): void {
	group.foreign ??= entry.foreign;
	group.doubt ??= entry.doubt;
	group.record ??= record;
	if (locked !== undefined) group.locked = locked;
	if (member !== undefined) group.members = [...(group.members ?? []), member];
	if (isCurrent) group.current = true;
}

type Listed = {readonly entry: ListedEntry; readonly parsed: ParsedName; readonly path: string};

type Extras = {
	readonly record: RunRecord | undefined;
	readonly locked: string | undefined;
	readonly member: string | undefined;
	readonly isCurrent: boolean;
};

/** Returns what an ordinary file does not have; undefined for an ordinary one. */
function extrasOf(
	{options, nameMembers, recorded, records}: Collected,
	{entry, parsed, path}: Listed,
): Extras | undefined {
	const {foreign, doubt, lockedUntil, directory} = entry;
	const record = records.size === 0 ? undefined : (recorded.get(path)?.record ?? records.get(path));
	const isLocked = lockedUntil !== undefined && lockedUntil > options.now;
	const member = nameMembers && !directory ? parsed.member : undefined;
	const isCurrent = options.current.has(path);
	const isNoted = foreign !== undefined || doubt !== undefined || record !== undefined;
	if (!isNoted && !isLocked && member === undefined && !isCurrent) return undefined;
	return {record, locked: isLocked ? `locked until ${formatInstant(lockedUntil)}` : undefined, member, isCurrent};
}

/** Returns the group of a listed file or directory dump, to be changed. */
function listedGroup(tables: ReadonlyMap<string, GroupTable>, path: string): OwnGroup | undefined {
	const parsed = parsePath(path);
	const table = parsed && tables.get(tableKey(`${parsed.directory}${parsed.subjectText}_`, parsed.subject));
	const row = parsed && table?.find(parsed);
	if (!table || row === undefined) return undefined;
	for (const item of groupItems({group: table.group(row), action: 'keep', reason: ''}))
		if (item.path === path) return table.own(row);
	return undefined;
}

function isDirectoryDump({suffix, checksum}: ParsedName): boolean {
	return suffix === 'd' && checksum === undefined;
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

function tableKey(stem: string, subject: Subject): string {
	return subject.kind === 'run' ? `run\0${stem}` : stem;
}

function isWholeDump(parsed: ParsedName, entry: ListedEntry, file: RecordedFile | undefined): boolean {
	if (file?.good === false || parsed.checksum !== undefined || parsed.suffix === 'createdb.sql') return false;
	if (parsed.suffix === 'd') return contentsNames.some(name => name === parsed.member) && entry.size > 0;
	if (parsed.subject.kind === 'run') return false;
	return entry.size > 0 && (file?.size === undefined || file.size === entry.size);
}
