/** From a listing to a purge plan: files into groups, groups to the policy. The same for local and remote places; no I/O. */
import {parsePath, subjectText, subjectTexts, type ParsedName, type Subject} from './names.js';
import {decide, doubtClock, type Decision, type DumpGroup, type RetentionPolicy} from './policy.js';

export type PurgeSubject = {readonly subject: Subject; readonly policy: RetentionPolicy};

/** What a manifest says that matters for a purge. Paths are written as the listing writes them: local paths or keys. */
export type RunRecord = {
	/** Of the manifest itself. */
	readonly path: string;
	readonly runId: string;
	/** Start of that run, milliseconds since the epoch. */
	readonly time: number;
	readonly systemIdentifier?: string;
	readonly files: readonly RecordedFile[];
};

export type RecordedFile = {
	readonly path: string;
	/** Bytes. A directory dump's is the sum of its files and is not compared. */
	readonly size?: number;
	/** False when the run itself did not hold it for a good dump. */
	readonly good: boolean;
	/** Milliseconds since the epoch: better than the name's where that has no zone. */
	readonly time?: number;
};

export type PurgeOptions = {
	/** What to purge: as a rule the databases that were dumped in this run, and the four special outputs. */
	readonly subjects: readonly PurgeSubject[];
	/** For manifests of which no file is left. */
	readonly runPolicy: RetentionPolicy;
	/** All databases of the server: tells who else may have a claim to a file of pg_back 2.x. */
	readonly databases: readonly string[];
	/** Start of this run, milliseconds since the epoch. */
	readonly start: number;
	/** Milliseconds since the epoch; the clock, unless given. */
	readonly now?: number;
	/** Paths or keys that this run has published. */
	readonly current: ReadonlySet<string>;
	/** The manifests that could be read. A manifest in the listing that has no record is never removed. */
	readonly records?: readonly RunRecord[];
	/** Of the server that is being dumped; dumps of which a manifest says another one are left alone. */
	readonly systemIdentifier?: string;
};

/** The files of a subject with the same time. */
export type PurgeGroup = DumpGroup & {
	/** What the paths (or keys) begin with, up to the time: shared by all groups of a subject, as there may be a million. */
	readonly stem: string;
	/** What the paths of files have after the time, such as `.dump.age`. */
	readonly tails: readonly string[];
	/** Has a directory dump, to be removed with all that is in it. */
	readonly directory: boolean;
	/** The manifest that speaks of this group. */
	readonly record: RunRecord | undefined;
};

export type PurgePlan = {
	/** For events: `local` or the storage's location. */
	readonly location: string;
	/** Manifests first. */
	readonly decisions: readonly Decision<PurgeGroup>[];
};

export type PlannedItem = {
	readonly path: string;
	readonly directory: boolean;
	readonly action: 'keep' | 'remove';
	readonly reason: string;
};

/** The plan file by file, in the order of its execution. */
export function* planItems(plan: PurgePlan): Generator<PlannedItem> {
	for (const decision of plan.decisions) yield* groupItems(decision);
}

/** A manifest before its companions, a dump before what describes it: half removed, nothing looks better than it is. */
export function* groupItems({group, action, reason}: Decision<PurgeGroup>): Generator<PlannedItem> {
	const start = group.stem + group.timeText;
	if (group.directory) yield {path: `${start}.d`, directory: true, action, reason};
	const rank = (tail: string) => (isManifest(tail) ? 0 : tail.length);
	for (const tail of group.tails.toSorted((a, b) => rank(a) - rank(b))) {
		yield {path: start + tail, directory: false, action, reason};
	}
}

/** Of a path or a part of one. */
export function isManifest(path: string): boolean {
	return path.endsWith('.manifest.json');
}

export function hasManifest(group: PurgeGroup): boolean {
	return group.tails.some(isManifest);
}

export type ListedEntry = {
	readonly path: string;
	/** Bytes. */
	readonly size: number;
	readonly directory: boolean;
};

type MutableGroup = {-readonly [K in keyof PurgeGroup]: PurgeGroup[K]};
/** What stands at one place under one text; groups by the text of their time. */
type Slot = {readonly stem: string; readonly groups: Map<string, MutableGroup>};

const runSubject: Subject = {kind: 'run'};

/**
 * Collects what a listing gives, and plans. `directoryOf` gives the place of files by the text of their subject, with a slash
 * at its end (or empty for the root). Only compact groups are kept, whatever the size of the listing.
 */
export function createPlanner(options: PurgeOptions, directoryOf: (subjectText: string) => string) {
	const slots = new Map<string, Slot>();
	const slotFor = (subject: Subject, text: string): Slot => {
		const slot: Slot = {stem: `${directoryOf(text)}${text}_`, groups: new Map()};
		slots.set(slotKey(slot.stem, subject), slot);
		return slot;
	};
	const subjects = options.subjects.map(({subject, policy}) => ({
		policy,
		slots: subjectTexts(subject, options.databases).map(text => slotFor(subject, text)),
	}));
	const runs = slotFor(runSubject, subjectText(runSubject));
	const shareTails = createSharing();

	const recorded = new Map<string, {record: RunRecord; file: RecordedFile}>();
	for (const record of options.records ?? []) {
		for (const file of record.files) recorded.set(file.path, {record, file});
	}
	const records = new Map((options.records ?? []).map(record => [record.path, record]));
	const seen = new Set<string>();

	return {
		/** Takes one entry of the listing; what is not ours is passed over. False when it was. */
		add(entry: ListedEntry): boolean {
			const parsed = parsePath(entry.path);
			if (parsed === undefined) return false;
			const {directory, member} = parsed;
			const dump = parsed.suffix === 'd' && parsed.checksum === undefined;
			if (member === undefined && entry.directory !== dump) return false; // a directory called like a file, or the reverse
			const path = member === undefined ? entry.path : entry.path.slice(0, -member.length - 1);
			if (recorded.has(path)) seen.add(path);
			const slot = slots.get(slotKey(`${directory}${parsed.subjectText}_`, parsed.subject));
			if (slot === undefined) return false;
			const found = recorded.get(path);
			const group = groupOf(slot, parsed);
			group.record ??= found?.record ?? records.get(path);
			if (found?.file.time !== undefined) group.time = found.file.time;
			if (options.current.has(path)) group.current = true;
			if (dump) group.directory = true;
			else group.tails = shareTails([...group.tails, path.slice(slot.stem.length + parsed.timeText.length)]);
			if (isWholeDump(parsed, entry, found?.file)) group.whole = true;
			return true;
		},

		/** `exists` is asked for files that a manifest names and that were not in the listing. */
		async plan(location: string, exists: (path: string) => Promise<boolean>): Promise<PurgePlan> {
			const now = options.now ?? Date.now();
			const others = [...records.values()].map(({path, time}) => ({time, current: options.current.has(path)}));
			const context = {start: options.start, now};
			const judge = {...context, clockDoubt: doubtClock(others, context)};
			const decisions = subjects.flatMap(({policy, slots: own}) => {
				const groups = own.flatMap(slot => [...slot.groups.values()]);
				for (const group of groups) group.hands = otherHands(group.record, options.systemIdentifier);
				return decide<PurgeGroup>(groups, policy, judge);
			});
			const going = new Set<string>();
			for (const {path, action} of recorded.size === 0 ? [] : planItems({location, decisions})) {
				if (action === 'remove' && recorded.has(path)) going.add(path);
			}
			const manifests: Decision<PurgeGroup>[] = [];
			for (const decision of decide<PurgeGroup>([...runs.groups.values()], options.runPolicy, judge)) {
				manifests.push(await decideManifest(decision, going, async path => seen.has(path) || exists(path), options));
			}
			return {location, decisions: [...manifests, ...decisions]};
		},
	};
}

function slotKey(stem: string, subject: Subject): string {
	return subject.kind === 'run' ? `run\0${stem}` : stem;
}

function groupOf({stem, groups}: Slot, parsed: ParsedName): MutableGroup {
	const old = groups.get(parsed.timeText);
	if (old) return old;
	// A copy: a part cut from the text of a page of the listing would keep the whole page in memory.
	const timeText = Buffer.from(parsed.timeText).toString();
	const group: MutableGroup = {
		timeText,
		time: parsed.time,
		whole: false,
		current: false,
		hands: undefined,
		stem,
		tails: [],
		directory: false,
		record: undefined,
	};
	groups.set(timeText, group);
	return group;
}

/** There are few different lists of tails: each is kept once. */
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

/** A directory dump is whole once its table of contents is there: pg_dump writes that last, and the purge removes it first. */
export const contentsNames = ['toc.dat', 'toc.dat.age'] as const;

function isWholeDump(parsed: ParsedName, entry: ListedEntry, file: RecordedFile | undefined): boolean {
	if (file?.good === false || parsed.checksum !== undefined || parsed.suffix === 'createdb.sql') return false;
	if (parsed.suffix === 'd') return contentsNames.some(name => name === parsed.member) && entry.size > 0;
	if (parsed.subject.kind === 'run') return false;
	return entry.size > 0 && (file?.size === undefined || file.size === entry.size);
}

function otherHands(record: RunRecord | undefined, own: string | undefined): string | undefined {
	const other = record?.systemIdentifier;
	return other === undefined || own === undefined || other === own ? undefined : `of another cluster (${other})`;
}

/** A manifest goes when nothing that it speaks of stays. One that cannot be read stays: nobody knows what it speaks of. */
async function decideManifest(
	decision: Decision<PurgeGroup>,
	going: ReadonlySet<string>,
	exists: (path: string) => Promise<boolean>,
	options: PurgeOptions,
): Promise<Decision<PurgeGroup>> {
	const {group} = decision;
	const {record} = group;
	const everything = options.runPolicy.olderThan < 0;
	if (group.current && !everything) return decision;
	if (record === undefined) {
		return hasManifest(group) ? {group, action: 'keep', reason: 'not known what it describes'} : decision;
	}
	for (const file of record.files) {
		if (!going.has(file.path) && (await exists(file.path)))
			return {group, action: 'keep', reason: 'describes files that stay'};
	}
	if (record.files.some(file => going.has(file.path))) return {group, action: 'remove', reason: 'all its files go'};
	return decision.action === 'keep' ? decision : {...decision, reason: 'none of its files is left'};
}
