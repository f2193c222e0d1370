/** `alarm_shrink`: detects a dump that lost much of what the last good one contained. Pure. */
import {sum} from '../lib/sum.js';
import type {Manifest, ManifestFile} from '../repository/manifest.js';

/** The loss, by one measure. */
export type Loss = {readonly measure: 'bytes' | 'rows'; readonly before: number; readonly now: number};

export type Dumped = {readonly manifest: Manifest; readonly file: ManifestFile};

/** Returns the last good dump of a database: of the same server, and without an alarm. */
export function lastGoodDump(
	manifests: readonly Manifest[],
	database: string,
	own: {readonly runId: string; readonly systemIdentifier: string | undefined; readonly start: number},
): Dumped | undefined {
	const candidates = manifests
		.filter(
			manifest =>
				manifest.runId !== own.runId &&
				Date.parse(manifest.start) <= own.start &&
				!manifest.shrunk?.includes(database) &&
				!manifest.failed.some(one => one.database === database) &&
				isSameServer(manifest.server.systemIdentifier, own.systemIdentifier),
		)
		.toSorted((a, b) => Date.parse(b.start) - Date.parse(a.start));
	for (const manifest of candidates) {
		const file = dumpOf(manifest, database);
		if (file) return {manifest, file};
	}
	return undefined;
}

function isSameServer(one: string | undefined, other: string | undefined): boolean {
	return one === undefined || other === undefined || one === other;
}

export function dumpOf({files}: Pick<Manifest, 'files'>, database: string): ManifestFile | undefined {
	return files.find(file => file.role === 'dump' && file.database === database);
}

/** Returns the greatest loss above `percent`; undefined when no loss is that large, or nothing is comparable. */
export function lossOf(before: Dumped, now: Dumped, percent: number): Loss | undefined {
	const losses = [bytesOf(before, now), rowsOf(before.file, now.file)].filter(loss => loss !== undefined);
	const [worst] = losses.toSorted((a, b) => percentOf(b) - percentOf(a));
	return worst && percentOf(worst) > percent ? worst : undefined;
}

/** Returns the loss in percent. */
export function percentOf({before, now}: Loss): number {
	return before === 0 ? 0 : ((before - now) / before) * 100;
}

/** Compares only dumps that were made alike: another format or compression is not a loss. */
function bytesOf(before: Dumped, now: Dumped): Loss | undefined {
	if (madeAs(before) !== madeAs(now)) return undefined;
	const plain = [before.file.plain?.size, now.file.plain?.size] as const;
	if (plain[0] !== undefined && plain[1] !== undefined) return {measure: 'bytes', before: plain[0], now: plain[1]};
	const sameSecrecy = (before.file.encryption === undefined) === (now.file.encryption === undefined);
	return sameSecrecy ? {measure: 'bytes', before: before.file.size, now: now.file.size} : undefined;
}

function madeAs({manifest, file}: Dumped): string {
	const suffix = /\.(?:sql(?:\.\w+)?|dump|tar|d)(?=(?:\.age)?$)/.exec(file.path)?.[0];
	return [file.format, suffix, manifest.options['compress_level']].join(' ');
}

/**
 * Compares the tables that were counted both times. A missing table has lost all of its rows, if all tables were
 * counted.
 */
function rowsOf(before: ManifestFile, now: ManifestFile): Loss | undefined {
	const [old, current] = [before.plain?.tables, now.plain?.tables];
	if (!old || !current) return undefined;
	const rows = new Map(current.map(table => [table.name, table.rows]));
	const all = (now.plain?.uncounted ?? 0) === 0;
	const compared = old.filter(table => all || rows.has(table.name));
	return {
		measure: 'rows',
		before: sum(compared.map(table => table.rows)),
		now: sum(compared.map(table => rows.get(table.name) ?? 0)),
	};
}
