/**
 * What the purge of one place removes and keeps, and the input for it. The same for local and remote places; no I/O.
 */
import {formatCount, plural} from '../lib/format.js';
import type {Subject} from './names.js';
import type {Decision, DumpGroup, RetentionPolicy} from './policy.js';
import type {ServerIdentity} from './server-identity.js';

export type PurgeSubject = {
	readonly subject: Subject;
	readonly policy: RetentionPolicy;
	/**
	 * This run will still leave a dump of it at this place: the plan counts it as present and good, and does not list it.
	 */
	readonly coming?: boolean;
	/** Why nothing of it is removed in this run, for example because its last dump lost data. */
	readonly keptBecause?: string;
};

/** The part of a manifest that a purge needs. Paths have the form of the listing: local paths or keys. */
export type RunRecord = {
	/** The path of the manifest; for a divided run the path that its only manifest would have. */
	readonly path: string;
	/** For a divided run: the manifests of its shards. */
	readonly parts?: readonly string[];
	readonly runId: string;
	/** Start of that run, milliseconds since the epoch. */
	readonly time: number;
	/** The server that it dumped. */
	readonly server?: ServerIdentity;
	readonly files: readonly RecordedFile[];
};

/** The content of a pin. */
export type Pinned = {
	/** Such as `pinned by dba: before the migration`. */
	readonly reason: string;
	/** In the form of the listing. A pin without paths keeps the files in its manifest. */
	readonly paths: readonly string[];
};

/** Reads a pin of a listing. Returns undefined when it no longer exists or does not count. */
export type ReadPin = (path: string) => Promise<Pinned | undefined>;

export type RecordedFile = {
	readonly path: string;
	/** Bytes. For a directory dump the sum of its files, which is not compared. */
	readonly size?: number;
	/** False when the run itself did not consider it a good dump. */
	readonly good: boolean;
	/** Milliseconds since the epoch: more exact than a name without a zone. */
	readonly time?: number;
};

export type PurgeOptions = {
	/** The subjects to purge: usually the databases that were dumped in this run, and the four special outputs. */
	readonly subjects: readonly PurgeSubject[];
	/** For manifests without remaining files. */
	readonly runPolicy: RetentionPolicy;
	/** All databases of the server, to find other possible owners of a file of pg_back 2.x. */
	readonly databases: readonly string[];
	/** Start of this run, milliseconds since the epoch. */
	readonly start: number;
	/** Milliseconds since the epoch: the clock. */
	readonly now: number;
	/** Paths or keys that this run has published. */
	readonly current: ReadonlySet<string>;
	/** The readable manifests. A manifest in the listing without a record is never removed. */
	readonly records?: readonly RunRecord[];
	/** Without it nothing is pinned. */
	readonly readPin?: ReadPin;
	/** The identifier of the dumped server; dumps of another one, according to their manifests, are not touched. */
	readonly server?: ServerIdentity;
};

/** The files of a subject with the same time. */
export type PurgeGroup = DumpGroup & {
	/**
	 * The beginning of the paths (or keys), up to the time: shared by all groups of a subject, of which there may be a
	 * million.
	 */
	readonly stem: string;
	/** The part of the paths after the time, such as `.dump.age`. */
	readonly tails: readonly string[];
	/** Contains a directory dump, to be removed with all of its files. */
	readonly directory: boolean;
	/** The files of the directory dump, if the plan was asked to name them: relative to it. */
	readonly members?: readonly string[];
	/** The manifest that contains this group. */
	readonly record: RunRecord | undefined;
	/** Why one of its files is not ours to remove, such as `of another user (uid 1001)`. */
	readonly foreign?: string;
	/** Why it may be of another server: `of a run whose manifest cannot be read (…)`. */
	readonly hidden?: string | undefined;
	/** Why what the place reports about one of its files cannot be believed; the place has warned of it. */
	readonly doubt?: string;
};

export type PurgePlan = {
	/** For events: `local` or the storage's location. */
	readonly location: string;
	/** Manifests first. Made as they are asked for, because there may be a million; may be iterated again. */
	readonly decisions: Iterable<Decision<PurgeGroup>>;
	/** Obstacles that need attention: names of dumps that are dated in the future. */
	readonly warnings: readonly string[];
};

export type PlannedItem = {
	readonly path: string;
	readonly directory: boolean;
	readonly action: 'keep' | 'remove';
	readonly reason: string;
};

/** Yields the plan file by file, in the order of execution. */
export function* planItems(plan: PurgePlan): Generator<PlannedItem> {
	for (const decision of plan.decisions) yield* groupItems(decision);
}

/**
 * Yields a manifest before its companions, and a dump before files that describe it, so that an interrupted removal
 * leaves nothing that looks better than it is.
 */
export function* groupItems({group, action, reason}: Decision<PurgeGroup>): Generator<PlannedItem> {
	const start = group.stem + group.timeText;
	if (group.directory) yield {path: `${start}.d`, directory: true, action, reason};
	const rank = (tail: string) => (isManifest(tail) ? 0 : tail.length);
	const {tails} = group;
	for (const tail of tails.length === 1 ? tails : tails.toSorted((a, b) => rank(a) - rank(b))) {
		yield {path: start + tail, directory: false, action, reason};
	}
}

/** Says how far a canceled purge came. */
export function canceledText(location: string, removed: number, decisions: PurgePlan['decisions']): string {
	let planned = 0;
	for (const decision of decisions) if (decision.action === 'remove') for (const _ of groupItems(decision)) planned++;
	return `the purge of ${location} was canceled after ${formatCount(removed)} of ${plural(planned, 'removal')}`;
}

/**
 * Yields what is removed or kept, for people: each object of a directory dump at a remote by its own key, if the plan
 * names them.
 */
export function* printedItems(plan: PurgePlan, action: PlannedItem['action']): Generator<PlannedItem> {
	for (const decision of plan.decisions) {
		if (decision.action !== action) continue;
		const {members, stem, timeText} = decision.group;
		for (const item of groupItems(decision)) {
			if (!item.directory || !members) yield item;
			else for (const name of members) yield {...item, path: `${stem}${timeText}.d/${name}`, directory: false};
		}
	}
}

/** Accepts a path or a part of one. */
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
	/** Until when the place refuses to remove it (Object Lock, retention policies), in milliseconds since the epoch. */
	readonly lockedUntil?: number;
	/** Why it is not ours to remove. */
	readonly foreign?: string;
	/** Why what the place reports about it cannot be believed. */
	readonly doubt?: string;
};

/** Returns the manifests of a run, by their paths. */
export function manifestPaths({path, parts}: RunRecord): readonly string[] {
	return parts ?? [path];
}

/** Returns the path of a group's first file, for messages. */
export function nameOf(group: PurgeGroup): string {
	return `${group.stem}${group.timeText}${group.directory ? '.d' : (group.tails[0] ?? '')}`;
}

/** Returns only what is to be removed, which is sufficient to restrict a later purge to its plan. */
export function removalsOf(plan: PurgePlan): PurgePlan {
	return {
		...plan,
		decisions: repeatable(function* () {
			for (const decision of plan.decisions) if (decision.action === 'remove') yield decision;
		}),
	};
}

/**
 * Returns the part of `actual` that was also in `planned`, so that never more is removed than planned: later files are
 * kept, and so is a manifest that describes some of them. Files of this run itself may be removed (with a negative
 * purge interval).
 */
export function restrictPlan(actual: PurgePlan, planned: PurgePlan): PurgePlan {
	const allowed = new Map<string, PurgeGroup>();
	for (const {group, action} of planned.decisions) if (action === 'remove') allowed.set(keyOf(group), group);
	const isFree = ({action, group}: Decision<PurgeGroup>) => action === 'keep' || group.current === true;
	const staying = new Set<string>();
	for (const decision of actual.decisions) {
		const held = isFree(decision) ? undefined : divide(decision.group, allowed.get(keyOf(decision.group)))[1];
		for (const {path} of held ? groupItems({...decision, group: held}) : []) staying.add(path);
	}
	if (staying.size === 0) return actual;
	const restricted = function* (decision: Decision<PurgeGroup>): Generator<Decision<PurgeGroup>> {
		if (isFree(decision)) {
			yield decision;
			return;
		}
		const [going, held] = divide(decision.group, allowed.get(keyOf(decision.group)));
		if (going) yield {...decision, group: going};
		if (held) yield {group: held, action: 'keep', reason: notPlanned};
	};
	return {
		...actual,
		decisions: repeatable(function* () {
			for (const whole of actual.decisions)
				for (const decision of restricted(whole)) {
					const {group, action} = decision;
					const describes = hasManifest(group) && group.record?.files.some(file => staying.has(file.path));
					yield describes && action === 'remove'
						? {...decision, action: 'keep', reason: 'describes files that stay'}
						: decision;
				}
		}),
	};
}

/** Returns an iterable that starts `generate` for each iteration. */
export function repeatable<T>(generate: () => Generator<T>): Iterable<T> {
	return {[Symbol.iterator]: generate};
}

const notPlanned = 'it appeared after the plan of this run was made';

function keyOf(group: PurgeGroup): string {
	return group.stem + group.timeText;
}

/** Splits `group` into the part that is in `planned` too, and the rest. */
function divide(
	group: PurgeGroup,
	planned: PurgeGroup | undefined,
): [going: PurgeGroup | undefined, held: PurgeGroup | undefined] {
	if (!planned) return [undefined, group];
	const tails = group.tails.filter(tail => planned.tails.includes(tail));
	if (tails.length === group.tails.length && (!group.directory || planned.directory)) return [group, undefined];
	const going = {...group, tails, directory: group.directory && planned.directory};
	const others = group.tails.filter(tail => !planned.tails.includes(tail));
	return [going, {...group, tails: others, directory: group.directory && !planned.directory}];
}
