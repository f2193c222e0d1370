/** `--check-age`: checks that every database has a good, recent backup. For Nagios and similar monitoring. */
import {messageOf, ProblemsError} from '../core/errors.js';
import type {DatabaseAge} from '../core/handle.js';
import {display} from '../lib/display.js';
import {formatDuration, plural} from '../lib/format.js';
import {parsePath} from '../retention/names.js';
import type {RunContext, StoreContext} from '../runs/context.js';
import type {StoreName} from '../storage/definitions.js';
import {backupLocation, type LocationId} from './locations.js';
import {localPlace, type Place, type PlaceFile, remotePlace} from './place.js';
import {readProofs} from './proofs.js';
import {openRemote, shortRetries} from './remote.js';
import {verdictOf} from './verdict.js';

export type AgeReport = {
	/** One line. */
	readonly text: string;
	/** 0 OK, 2 critical, 3 unknown: the convention for monitoring plug-ins. */
	readonly status: 0 | 2 | 3;
};

/** Milliseconds by which a dump's time may be ahead of our clock, since clocks of several hosts differ. */
const clockTolerance = 5 * 60_000;

/**
 * Checks the dumps in the backup directory and at the upload destination: the newest counts. With several destinations
 * each must have a recent dump. `limit` is in milliseconds.
 */
export async function checkAge(run: StoreContext, limit: number): Promise<AgeReport> {
	const {upload, includeDbs} = run.configuration.settings;
	const now = run.now().getTime();
	const at = (id: LocationId) => withPlace(run, id, place => findDumps(run, place, now + clockTolerance));
	if (upload.length > 1) return checkEachAge(run, await foundAtEach(run.signal, upload, at), limit);
	const newest = new Map<string, number>();
	/** A database that has only truncated or changed dumps must still be reported. */
	const seen = new Set<string>();
	const future = new Map<string, string>();
	for (const id of [backupLocation, ...upload] as const) {
		const dumps = await at(id);
		for (const [database, time] of dumps.good) newest.set(database, Math.max(time, newest.get(database) ?? 0));
		for (const database of dumps.seen) seen.add(database);
		for (const [database, path] of dumps.future) future.set(database, path);
	}
	return report({newest, future, databases: includeDbs.length > 0 ? includeDbs : [...seen], now, limit});
}

type FoundAtEach = {
	readonly found: ReadonlyMap<LocationId, FoundDumps>;
	/** Why a place could not be checked, one line each. */
	readonly problems: readonly string[];
};

async function foundAtEach(
	signal: AbortSignal,
	upload: readonly StoreName[],
	at: (id: LocationId) => Promise<FoundDumps>,
): Promise<FoundAtEach> {
	const found = new Map<LocationId, FoundDumps>();
	const problems: string[] = [];
	for (const id of [backupLocation, ...upload] as const) {
		try {
			found.set(id, await at(id));
		} catch (error) {
			signal.throwIfAborted();
			problems.push(messageOf(error));
		}
	}
	return {found, problems};
}

/** Reports each database at each place. What is known to be missing weighs more than a place that does not respond. */
function checkEachAge(
	run: Pick<RunContext, 'configuration' | 'now'>,
	{found, problems}: FoundAtEach,
	limit: number,
): AgeReport {
	const {upload, includeDbs} = run.configuration.settings;
	const seen = new Set([...found.values()].flatMap(dumps => [...dumps.seen]));
	const databases = includeDbs.length > 0 ? includeDbs : [...seen];
	const newest = new Map<string, number>();
	const future = new Map<string, string>();
	const names: string[] = [];
	for (const place of upload) {
		const dumps = found.get(place);
		for (const database of dumps ? databases : []) {
			const name = `${database} at ${place}`;
			const time = dumps?.good.get(database);
			const path = dumps?.future.get(database);
			names.push(name);
			if (time !== undefined) newest.set(name, time);
			if (path !== undefined) future.set(name, path);
		}
	}
	const counts = {databases: databases.length, places: upload.length};
	const made = report({newest, future, databases: names, counts, now: run.now().getTime(), limit});
	if (problems.length === 0) return made;
	const texts = problems.map(shown).join('; ');
	if (made.status !== 2) return {text: `PG_BACK UNKNOWN - ${texts}`, status: 3};
	const [text = '', ...data] = made.text.split(' | ');
	return {text: [`${text}; ${texts}`, ...data].join(' | '), status: 2};
}

/** Returns the same findings for one place, with the results of restore drills for each database. */
export async function databaseAges(run: StoreContext, id: LocationId): Promise<readonly DatabaseAge[]> {
	const {includeDbs} = run.configuration.settings;
	return withPlace(run, id, async place => {
		const {good, seen} = await findDumps(run, place, run.now().getTime() + clockTolerance);
		const proofs = [...(await readProofs(run, place, run.signal)).values()].flatMap(proof => proof.databases);
		const last = (database: string, verdict: 'proven' | 'restored') =>
			proofs
				.filter(one => one.database === database && verdictOf(one) === verdict)
				.reduce<number | undefined>((latest, one) => Math.max(latest ?? 0, Date.parse(one.time)), undefined);
		return (includeDbs.length > 0 ? includeDbs : [...seen]).map(database => ({
			database,
			newest: good.get(database),
			proven: last(database, 'proven'),
			restored: last(database, 'restored'),
		}));
	});
}

/** Returns the databases that have a good dump at a place and would have none without `paths`. */
export async function lastGoodOf(
	run: StoreContext,
	id: LocationId,
	paths: readonly string[],
): Promise<readonly string[]> {
	const latest = run.now().getTime() + clockTolerance;
	return withPlace(run, id, async place => {
		const {good} = await findDumps(run, place, latest);
		const {good: left} = await findDumps(
			run,
			{...place, list: signal => without(place.list(signal), new Set(paths))},
			latest,
		);
		return [...good.keys()].filter(database => !left.has(database));
	});
}

async function* without(files: AsyncIterable<PlaceFile>, paths: ReadonlySet<string>): AsyncGenerator<PlaceFile> {
	for await (const file of files) if (!paths.has(file.path)) yield file;
}

async function withPlace<T>(run: StoreContext, id: LocationId, use: (place: Place) => Promise<T>): Promise<T> {
	const place = id === backupLocation ? localPlace(run) : remotePlace(run, await openRemote(run, id, shortRetries));
	try {
		return await use(place);
	} finally {
		await place.close();
	}
}

/** Returns the report for an error that prevented the check: monitoring reads one line and status 3. */
export function unknown(error: unknown): AgeReport {
	const problems = error instanceof ProblemsError ? error.problems : [messageOf(error)];
	return {text: `PG_BACK UNKNOWN - ${problems.map(shown).join('; ')}`, status: 3};
}

export type Findings = {
	/** The time of the newest good dump of each database, in milliseconds since the epoch. */
	readonly newest: ReadonlyMap<string, number>;
	/** A dump of each database that is dated in the future, and therefore does not count. */
	readonly future: ReadonlyMap<string, string>;
	/** The databases to check; with several places each at each of them. */
	readonly databases: readonly string[];
	/** With several places: the number of databases and of places. */
	readonly counts?: {readonly databases: number; readonly places: number};
	readonly now: number;
	readonly limit: number;
};

export function report({newest, future, databases, counts, now, limit}: Findings): AgeReport {
	if (databases.length === 0) return {text: 'PG_BACK UNKNOWN - there is no backup of any database', status: 3};
	const ages = databases
		.map(name => ({name, age: Math.max(0, now - (newest.get(name) ?? -Infinity))}))
		.toSorted((a, b) => b.age - a.age);
	const missing = ages.filter(one => one.age === Infinity);
	const old = ages.filter(one => one.age !== Infinity && one.age > limit);
	const oldest = ages.find(one => one.age !== Infinity);
	const seconds = (milliseconds: number) => Math.round(milliseconds / 1000);
	const data =
		oldest === undefined
			? ''
			: ` | oldest=${seconds(oldest.age)}s;;${seconds(limit)};0 databases=${counts?.databases ?? databases.length}`;
	const dated = (name: string) => {
		const path = future.get(name);
		return path === undefined ? '' : ` (${shown(path)} is dated in the future and is ignored)`;
	};
	if (missing.length === 0 && old.length === 0 && oldest) {
		const notes = databases
			.filter(name => future.has(name))
			.map(name => `, ${shown(future.get(name) ?? '')} is dated in the future and is ignored`);
		const counted = counts
			? `${plural(counts.databases, 'database')} at ${plural(counts.places, 'place')}`
			: plural(databases.length, 'database');
		const what = `${counted}, oldest good backup ${formatDuration(oldest.age / 1000)} (${shown(oldest.name)})`;
		return {text: `PG_BACK OK - ${what}${notes.join('')}${data}`, status: 0};
	}
	const parts = [
		...missing.map(one => `${shown(one.name)}: no good backup${dated(one.name)}`),
		...old.map(one => `${shown(one.name)}: ${formatDuration(one.age / 1000)} old${dated(one.name)}`),
	];
	return {text: `PG_BACK CRITICAL - ${parts.join(', ')}${data}`, status: 2};
}

/** Escapes outside text for the status line: text after a `|` would be parsed as performance data. */
export function shown(text: string): string {
	return display(text).replaceAll('|', String.raw`\x7c`);
}

export type FoundDumps = {
	/** The time of the newest complete dump of each database, according to its manifest. */
	readonly good: ReadonlyMap<string, number>;
	/** Every database that has any file here, or that could not be dumped. */
	readonly seen: ReadonlySet<string>;
	/** The last path of each database that is dated after `latest`. */
	readonly future: ReadonlyMap<string, string>;
};

type Expected = {readonly size: number; readonly directory: boolean};

/** Returns false for a truncated or changed file. */
function isWhole(size: number, known: Expected | undefined): boolean {
	return size > 0 && (known === undefined || known.directory || known.size === size);
}

/** The directory dumps of one database in one directory. Numbers only, because there may be a million of them. */
type DirectoryDumps = {
	readonly name: string;
	/** Of those with a table of contents, in milliseconds since the epoch. */
	readonly times: number[];
	/** Of those with a member that cannot be believed. */
	readonly doubtful: Set<number>;
};

/** Finds the dumps of a place. Dumps dated after `latest` (milliseconds since the epoch) do not count. */
export async function findDumps(
	run: Pick<RunContext, 'signal'>,
	place: Pick<Place, 'manifests' | 'list'>,
	latest: number,
): Promise<FoundDumps> {
	const expected = new Map<string, Expected>();
	const good = new Map<string, number>();
	const seen = new Set<string>();
	const future = new Map<string, string>();
	const directories = new Map<string, DirectoryDumps>();
	const count = (name: string, time: number) => good.set(name, Math.max(time, good.get(name) ?? 0));
	for (const {manifest} of await place.manifests(run.signal)) {
		// A database that could never be dumped counts; one that did not exist or was mistyped does not.
		for (const {database, code} of manifest.failed) if (!code.startsWith('DATABASE_')) seen.add(database);
		for (const file of manifest.files) expected.set(file.path, {size: file.size, directory: file.directory ?? false});
	}
	for await (const {path, size, doubt} of place.list(run.signal)) {
		const parsed = parsePath(path);
		const name = dumpedDatabase(parsed);
		if (!parsed || name === undefined) continue;
		const {time, member} = parsed;
		seen.add(name);
		// A member in doubt disqualifies the whole directory dump, even when its table of contents was listed before.
		if (doubt !== undefined && member !== undefined) directoryDumps(directories, parsed, name).doubtful.add(time);
		if (!isWhole(size, expected.get(path)) || (member !== undefined && !/^toc\.dat(\.age)?$/.test(member))) continue;
		if (time > latest) future.set(name, path);
		else if (member !== undefined) directoryDumps(directories, parsed, name).times.push(time);
		else if (doubt === undefined) count(name, time);
	}
	// Only now is every member known.
	for (const {name, times, doubtful} of directories.values())
		for (const time of times) if (!doubtful.has(time)) count(name, time);
	return {good, seen, future};
}

type ParsedPath = NonNullable<ReturnType<typeof parsePath>>;

/** Returns the database of a dump or of a member of one; undefined for other files. */
function dumpedDatabase(parsed: ParsedPath | undefined): string | undefined {
	if (parsed?.subject.kind !== 'database' || parsed.checksum !== undefined) return undefined;
	return parsed.suffix === 'createdb.sql' ? undefined : parsed.subject.name;
}

function directoryDumps(
	all: Map<string, DirectoryDumps>,
	{directory, subjectText}: ParsedPath,
	name: string,
): DirectoryDumps {
	const key = directory + subjectText;
	const known = all.get(key);
	if (known) return known;
	const created: DirectoryDumps = {name, times: [], doubtful: new Set()};
	all.set(key, created);
	return created;
}
