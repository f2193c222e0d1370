/** Selects what a drill restores, and from which runs. */
import {PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {
	type Dump,
	type DumpItem,
	dumpsAmong,
	isDump,
	listItems,
	oncePerDatabase,
	sizeOf,
} from '../repository/dump-items.js';
import type {FoundManifest} from '../repository/found-manifest.js';
import {goodDumps} from '../repository/good-dumps.js';
import type {ManifestFile} from '../repository/manifest.js';
import type {Place} from '../repository/place.js';
import {recordedFiles} from '../repository/private-manifest.js';
import {nothingMatches, Selection, selectionOptions} from '../repository/selection.js';
import {parsePath} from '../retention/names.js';
import {createRunGrouper} from '../retention/runs.js';
import type {RunContext} from '../runs/context.js';

export type DrillPlan = {
	/** Absent for backups of pg_back 2.x and killed runs. */
	readonly found: FoundManifest | undefined;
	readonly globals: DumpItem | undefined;
	readonly dumps: readonly Dump[];
	/** Dumps in the manifest that do not exist. */
	readonly missing: readonly string[];
};

export type DrillChoice = {
	/** Takes paths of dumps, in the stead of patterns. */
	readonly selected?: ((path: string) => boolean) | undefined;
	/** Without patterns the newest good dump of each database, instead of the newest run. */
	readonly newestOfEach?: boolean;
};

export type DrillPlans = {
	/** One for each run of which something is restored; never empty. */
	readonly plans: readonly DrillPlan[];
	/** Patterns that match no dump. */
	readonly unmatched: readonly string[];
	/** The number of files considered. */
	readonly seen: number;
	/** The paths of the checksum files. */
	readonly checksums: ReadonlySet<string>;
};

/** A dump that may be restored; without `item` it only exists in a manifest. */
type Choice = {readonly path: string; readonly size: number; readonly item?: DumpItem};

/**
 * Plans the drill: without patterns the newest run; with patterns the newest good dump of each matching database, from
 * any run. Throws NOTHING_TO_DO when nothing is selected.
 */
export async function planDrills(
	run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>,
	place: Place,
	options: DrillChoice = {},
): Promise<DrillPlans> {
	const {selected, newestOfEach = false} = options;
	const {items, checksums} = await listItems(place, run.signal);
	const manifests = (await place.manifests(run.signal)).toSorted(
		(a, b) => Date.parse(b.manifest.start) - Date.parse(a.manifest.start),
	);
	const given = selected ? [] : run.configuration.arguments;
	const patterns = given.length === 0 && newestOfEach ? ['*'] : given;
	const selection = new Selection<Choice>(patterns, selectionOptions(place, 'all'));
	for (const item of items.values()) {
		if (isDump(item) && (!selected || selected(item.path))) selection.add({path: item.path, size: sizeOf(item), item});
	}
	const {seen} = selection;
	for (const path of missingDumps(place, manifests, items))
		if (!selected || selected(path)) selection.add({path, size: 0});
	const {items: matched, unmatched} = selection.result();
	const [pattern] = unmatched;
	if (matched.every(one => one.item === undefined)) {
		const [gone] = matched;
		if (gone) throw missingError(gone.path);
		if (pattern !== undefined) throw nothingMatches(pattern, place.label, seen);
		throw new PgBackError(
			'NOTHING_TO_DO',
			`no dump to restore at ${display(place.label)}: searched ${plural(seen, 'file')}`,
			{
				hint: 'check the directory or the upload prefix',
			},
		);
	}
	const runs = runsOf(items, manifests);
	const chosen =
		patterns.length > 0
			? newestGood(run.emit, matched, manifests)
			: selected
				? matched
				: newestRun(matched, manifests, runs);
	const plans = [...Map.groupBy(chosen, one => runs(one.path))].map(([id, of]) => {
		const found = manifests.find(one => one.manifest.runId === id);
		const known = found ? recordedFiles(found.manifest) : new Map<string, ManifestFile>();
		const paths = new Set(of.map(one => one.path));
		const inRun = [...items.values()].filter(item => runs(item.path) === id);
		return {
			globals: inRun.find(item => item.parsed.subject.kind === 'globals'),
			dumps: oncePerDatabase(dumpsAmong(inRun, known).filter(dump => paths.has(dump.path))),
			found,
			missing: of.flatMap(one => (one.item ? [] : [one.path])),
		};
	});
	return {plans, unmatched, seen, checksums};
}

function missingDumps(
	place: Place,
	manifests: readonly FoundManifest[],
	items: ReadonlyMap<string, DumpItem>,
): readonly string[] {
	return manifests.flatMap(({manifest}) =>
		manifest.files
			.filter(
				file =>
					file.role === 'dump' && !items.has(file.path) && (place.remote !== undefined || file.shipped.length === 0),
			)
			.map(file => file.path),
	);
}

export function missingError(path: string): PgBackError {
	return new PgBackError('CORRUPT', `${display(path)} is missing: the manifest of its run names it`);
}

/** Returns a function from a path to its run: the id in its manifest, or the group of dumps without manifests. */
function runsOf(items: ReadonlyMap<string, DumpItem>, manifests: readonly FoundManifest[]): (path: string) => string {
	const byPath = new Map(
		manifests.flatMap(({manifest}) => manifest.files.map(file => [file.path, manifest.runId] as const)),
	);
	const grouper = createRunGrouper([]);
	for (const item of items.values()) if (!byPath.has(item.path)) grouper.add(item.path, item.parsed, sizeOf(item));
	grouper.runs();
	return path => {
		const item = items.get(path);
		return byPath.get(path) ?? (item ? grouper.runOf(path, item.parsed) : '');
	};
}

/**
 * Returns the newest run with an existing dump, and what is missing of it. Runs without a manifest may have been
 * killed.
 */
function newestRun(
	matched: readonly Choice[],
	manifests: readonly FoundManifest[],
	runs: (path: string) => string,
): readonly Choice[] {
	const there = matched.filter(one => one.item !== undefined).toSorted((a, b) => timeOf(b) - timeOf(a));
	const present = new Set(there.map(one => runs(one.path)));
	const id = manifests.find(({manifest}) => present.has(manifest.runId))?.manifest.runId ?? runs(there[0]?.path ?? '');
	return matched.filter(one => runs(one.path) === id);
}

/** Returns the newest complete dump of each database; newer ones that are missing or truncated are reported. */
function newestGood(emit: Emit, matched: readonly Choice[], manifests: readonly FoundManifest[]): readonly Choice[] {
	const isGood = goodDumps(manifests);
	return [...Map.groupBy(matched, one => parsePath(one.path)?.subjectText).values()].flatMap(all => {
		const dumps = all.toSorted((a, b) => timeOf(b) - timeOf(a));
		const good = dumps.find(one => one.item && isGood(one.path, one.item.files)) ?? dumps.find(one => one.item);
		const newer = dumps.filter(one => good === undefined || timeOf(one) > timeOf(good));
		for (const {path, item} of newer) {
			if (item)
				emit({type: 'log', level: 'warn', text: display(`${path} is not complete, restoring ${good?.path ?? ''}`)});
		}
		const same = dumps.filter(one => good !== undefined && one.item && timeOf(one) === timeOf(good));
		return [...same, ...newer.filter(one => one.item === undefined)];
	});
}

function timeOf({path}: Choice): number {
	return parsePath(path)?.time ?? 0;
}
