/** `--check-age`: is there a good, recent backup of every database? For Nagios and its like. */
import {display} from '../lib/display.js';
import {formatDuration, plural} from '../lib/format.js';
import {parsePath} from '../retention/names.js';
import type {RunContext} from './context.js';
import {openPlace, type Place} from './place.js';

export type AgeReport = {
	/** One line. */
	readonly text: string;
	/** 0 OK, 2 critical, 3 unknown: the convention of monitoring plug-ins. */
	readonly status: 0 | 2 | 3;
};

/** `limit` in milliseconds. Looks in the backup directory and at the remote that is uploaded to. */
export async function checkAge(run: RunContext, limit: number): Promise<AgeReport> {
	const {upload, includeDbs} = run.configuration.settings;
	const newest = new Map<string, number>();
	/** A database of which there is only what is cut or changed must not fall out of sight. */
	const seen = new Set<string>();
	for (const id of upload === 'none' ? (['here'] as const) : (['here', upload] as const)) {
		const place = await openPlace(run, id);
		try {
			const dumps = await findDumps(run, place);
			for (const [database, time] of dumps.good) newest.set(database, Math.max(time, newest.get(database) ?? 0));
			for (const database of dumps.seen) seen.add(database);
		} finally {
			await place.close();
		}
	}
	return report(newest, includeDbs.length > 0 ? includeDbs : [...seen], run.now().getTime(), limit);
}

export function report(
	newest: ReadonlyMap<string, number>,
	databases: readonly string[],
	now: number,
	limit: number,
): AgeReport {
	if (databases.length === 0) return {text: 'PG_BACK UNKNOWN - there is no backup of any database', status: 3};
	const ages = databases
		.map(name => ({name, age: now - (newest.get(name) ?? -Infinity)}))
		.toSorted((a, b) => b.age - a.age);
	const missing = ages.filter(one => one.age === Infinity);
	const old = ages.filter(one => one.age !== Infinity && one.age > limit);
	const oldest = ages.find(one => one.age !== Infinity);
	const seconds = (milliseconds: number) => Math.round(milliseconds / 1000);
	const data =
		oldest === undefined ? '' : ` | oldest=${seconds(oldest.age)}s;;${seconds(limit)};0 databases=${databases.length}`;
	if (missing.length === 0 && old.length === 0 && oldest) {
		const what = `${plural(databases.length, 'database')}, oldest good backup ${formatDuration(oldest.age / 1000)} (${display(oldest.name)})`;
		return {text: `PG_BACK OK - ${what}${data}`, status: 0};
	}
	const parts = [
		...missing.map(one => `${display(one.name)}: no good backup`),
		...old.map(one => `${display(one.name)}: ${formatDuration(one.age / 1000)} old`),
	];
	return {text: `PG_BACK CRITICAL - ${parts.join(', ')}${data}`, status: 2};
}

type FoundDumps = {
	/** The time of the newest dump of each database that is there whole, as far as its manifest tells. */
	readonly good: ReadonlyMap<string, number>;
	/** Every database of which there is anything, or that could not be dumped. */
	readonly seen: ReadonlySet<string>;
};

async function findDumps(run: RunContext, place: Place): Promise<FoundDumps> {
	const expected = new Map<string, {size: number; directory: boolean}>();
	const good = new Map<string, number>();
	const seen = new Set<string>();
	for (const {manifest} of await place.manifests(run.signal)) {
		// One that never could be dumped counts; one that was not there, or was mistyped, does not.
		for (const {database, code} of manifest.failed) if (!code.startsWith('DATABASE_')) seen.add(database);
		for (const file of manifest.files) expected.set(file.path, {size: file.size, directory: file.directory ?? false});
	}
	for await (const {path, size} of place.list(run.signal)) {
		const parsed = parsePath(path);
		if (parsed?.subject.kind !== 'database' || parsed.checksum !== undefined || parsed.suffix === 'createdb.sql')
			continue;
		const {name} = parsed.subject;
		seen.add(name);
		const known = expected.get(path);
		if (size === 0 || (known && !known.directory && known.size !== size)) continue; // cut, or changed
		if (parsed.member !== undefined && !/^toc\.dat(\.age)?$/.test(parsed.member)) continue;
		good.set(name, Math.max(parsed.time, good.get(name) ?? 0));
	}
	return {good, seen};
}
