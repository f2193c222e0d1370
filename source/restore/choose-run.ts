/** Chooses the run to restore: the newest that is complete for the request. */
import {contentsNames} from '../core/directory-dump.js';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {compileGlob} from '../lib/glob.js';
import {type Dump, type DumpItem, dumpsAmong, oncePerDatabase, sizeOf} from '../repository/dump-items.js';
import {describeRun, type Named, namesOfRun, runsNamed, severalRuns} from '../repository/find-run.js';
import type {FoundManifest} from '../repository/found-manifest.js';
import type {Manifest, ManifestFile} from '../repository/manifest.js';
import {recordedFiles} from '../repository/private-manifest.js';
import {Selection} from '../repository/selection.js';
import {createRunGrouper} from '../retention/runs.js';

export type RunChoice = {
	readonly patterns: readonly string[];
	/** At a remote: the beginning of all keys, which may be empty. */
	readonly prefix?: string;
	/** At a local place: patterns may be paths below it. */
	readonly directory?: string;
	/** The id of a run, its time, or the beginning of either. */
	readonly run?: string;
	/** Milliseconds since the epoch: the newest run that started by then. */
	readonly asOf?: number;
};

export type ChosenRun = {
	/** Undefined for backups of pg_back 2.x and killed runs. */
	readonly found: FoundManifest | undefined;
	readonly manifest: Manifest | undefined;
	readonly known: ReadonlyMap<string, ManifestFile>;
	/** Milliseconds since the epoch. */
	readonly time: number;
	readonly globals: DumpItem | undefined;
	/** The dumped server's settings and access rules: for comparison, never applied. */
	readonly configuration: readonly DumpItem[];
	readonly dumps: readonly Dump[];
	/** For people: newer runs that contain some of the request, and why they were not chosen. */
	readonly passedOver: readonly string[];
	/** The dumps are local files. */
	readonly isLocal: boolean;
};

type Candidate = Named & {
	readonly found: FoundManifest | undefined;
	readonly items: readonly DumpItem[];
	readonly known: ReadonlyMap<string, ManifestFile>;
};

/**
 * Chooses the run. `items` is the complete listing of the place. Throws NOTHING_TO_DO, USAGE when several runs that
 * contain the request have the requested name, or CORRUPT when every run that contains it is damaged.
 */
export function chooseRun(
	items: ReadonlyMap<string, DumpItem>,
	manifests: readonly FoundManifest[],
	choice: RunChoice,
	label: string,
): ChosenRun {
	const {prefix} = choice;
	const candidates = [...recorded(items, manifests), ...unrecorded(items, manifests)].filter(
		({time}) => choice.asOf === undefined || time <= choice.asOf,
	);
	const named = choice.run === undefined ? candidates : runsNamed(candidates, choice.run);
	if (choice.run !== undefined) {
		const able = named.filter(candidate => chosenOf(candidate, choice).some);
		if (new Set(able.map(({time}) => time)).size > 1) throw severalRuns(able, choice.run, label);
	}
	const passedOver: string[] = [];
	for (const candidate of named) {
		const {dumps, problems, some} = chosenOf(candidate, choice);
		if (!some) continue;
		if (problems.length > 0) {
			passedOver.push(`run ${describeRun(candidate)}: ${problems.slice(0, 3).join(', ')}`);
			continue;
		}
		return {
			found: candidate.found,
			manifest: candidate.found?.manifest,
			known: candidate.known,
			time: candidate.time,
			globals: candidate.items.find(item => item.parsed.subject.kind === 'globals' && item.parsed.suffix === 'sql'),
			configuration: candidate.items.filter(({parsed: {subject}}) =>
				['settings', 'hba', 'ident'].includes(subject.kind),
			),
			dumps,
			passedOver,
			isLocal: prefix === undefined,
		};
	}
	if (passedOver.length > 0) {
		throw new PgBackError('CORRUPT', `no run at ${label} has everything that was requested: ${passedOver[0] ?? ''}`, {
			output: passedOver,
			hint: 'specify fewer databases, or a different location',
		});
	}
	throw new PgBackError('NOTHING_TO_DO', nothing(choice, named.length, label), {
		hint: 'patterns are names of databases or of files; without --run and --as-of every run is searched',
	});
}

function nothing({patterns, run, asOf}: RunChoice, looked: number, label: string): string {
	const which =
		run !== undefined
			? `no run ${display(run)}`
			: asOf !== undefined
				? `no run by ${new Date(asOf).toISOString()}`
				: `${plural(looked, 'run')}, none`;
	const what = patterns.length === 0 ? 'dumps' : display(patterns.join(', '));
	return `there is nothing to restore at ${label}: ${which} with ${what}`;
}

function recorded(items: ReadonlyMap<string, DumpItem>, manifests: readonly FoundManifest[]): readonly Candidate[] {
	return manifests
		.map(found => ({
			...namesOfRun(found.path, found.manifest),
			found,
			items: found.manifest.files.flatMap(file => items.get(file.path) ?? []),
			known: recordedFiles(found.manifest),
		}))
		.toSorted((a, b) => b.time - a.time);
}

/** Groups files without a manifest by the times in their names. */
function unrecorded(items: ReadonlyMap<string, DumpItem>, manifests: readonly FoundManifest[]): readonly Candidate[] {
	const named = new Set(manifests.flatMap(({manifest}) => manifest.files.map(file => file.path)));
	const rest = [...items.values()].filter(item => !named.has(item.path));
	const grouper = createRunGrouper([]);
	for (const item of rest) grouper.add(item.path, item.parsed, sizeOf(item));
	const groups = grouper.runs();
	const members = Map.groupBy(rest, item => grouper.runOf(item.path, item.parsed));
	return groups
		.map(group => ({
			found: undefined,
			id: group.run,
			time: group.time,
			timeTexts: [...new Set((members.get(group.run) ?? []).map(item => item.parsed.timeText))],
			items: members.get(group.run) ?? [],
			known: new Map<string, ManifestFile>(),
		}))
		.toSorted((a, b) => b.time - a.time);
}

/** Returns the requested databases that the candidate contains, and what is wrong with them. */
function chosenOf(
	candidate: Candidate,
	choice: RunChoice,
): {readonly dumps: readonly Dump[]; readonly problems: readonly string[]; readonly some: boolean} {
	const {items, known, found} = candidate;
	const {patterns} = choice;
	const takers = patterns.map(pattern => takerOf(pattern, choice));
	const all = dumpsAmong(items, known);
	const wanted = takers.length === 0 ? all : all.filter(dump => takers.some(takes => takes(dump)));
	const lost = (found?.manifest.files ?? []).filter(
		file =>
			file.role === 'dump' &&
			!all.some(dump => dump.path === file.path) &&
			(takers.length === 0 || takers.some(takes => takes({path: file.path, database: file.database ?? ''}))) &&
			!wanted.some(dump => dump.database === file.database),
	);
	const failed = (found?.manifest.failed ?? []).filter(({database}) =>
		takers.length === 0 ? true : takers.some(takes => takes({path: '', database})),
	);
	const unmatched = patterns.filter(
		(_, index) =>
			!wanted.some(dump => takers[index]?.(dump)) &&
			!lost.some(file => takers[index]?.({path: file.path, database: file.database ?? ''})),
	);
	const damaged = wanted.flatMap(dump => problemOf(dump, known.get(dump.path)));
	const problems = [
		...lost.map(file => `${display(file.path)} is missing`),
		...failed.map(({database}) => `the dump of ${display(database)} failed`),
		...unmatched.map(pattern => `it contains no ${display(pattern)}`),
		...damaged,
	];
	const some = wanted.length > 0 || lost.length > 0;
	return {dumps: oncePerDatabase(wanted), problems, some};
}

type Taker = (dump: {readonly path: string; readonly database: string}) => boolean;

/**
 * Returns the matcher of a pattern: the rule of every command for files and databases, and the exact database name from
 * the manifest.
 */
function takerOf(pattern: string, {prefix, directory}: RunChoice): Taker {
	const glob = compileGlob(pattern);
	const selection = new Selection([pattern], {
		databases: 'all',
		keep: false,
		...(prefix !== undefined && {prefix}),
		...(directory !== undefined && {directory}),
	});
	return ({path, database}) =>
		database === pattern || (glob?.(database) ?? false) || (path !== '' && selection.add({path, size: 0}));
}

function problemOf(dump: DumpItem, file: ManifestFile | undefined): readonly string[] {
	const {path, parsed, files} = dump;
	if (parsed.suffix !== 'd') {
		const size = files[0]?.size ?? 0;
		if (size === 0) return [`${display(path)} is empty`];
		return file !== undefined && file.size !== size
			? [`${display(path)} has ${size} bytes instead of ${file.size}`]
			: [];
	}
	const sizes = new Map(files.map(one => [one.path.slice(path.length + 1), one.size]));
	if (!contentsNames.some(name => sizes.has(name))) return [`${display(path)} has no toc.dat`];
	const bad = file?.members?.find(member => sizes.get(member.path) !== member.size);
	return bad ? [`${display(path)}/${display(bad.path)} is missing or has another size`] : [];
}
