/** Checks the dumps of a run against `alarm_shrink`, before its manifest is written and old dumps are purged. */
import {messageOf} from '../core/errors.js';
import type {Manifest} from '../repository/manifest.js';
import {localManifests, remoteManifests} from '../repository/manifests.js';
import type {Remote} from '../repository/remote.js';
import type {ConfiguredContext} from '../runs/context.js';
import {databaseJobId} from './job-subjects.js';
import {dumpOf, lastGoodDump, lossOf, percentOf} from './shrink.js';

/**
 * Returns the databases with a shrunken dump. Only warns: a place that does not respond must not make a backup fail.
 */
export async function findShrunk(
	run: ConfiguredContext,
	places: readonly Remote[],
	manifest: Manifest,
): Promise<readonly string[]> {
	const limitOf = (database: string) => run.configuration.forDatabase(database).alarmShrink;
	const databases = manifest.databases.filter(database => limitOf(database) > 0 && dumpOf(manifest, database));
	if (databases.length === 0) return [];
	const own = {
		runId: manifest.runId,
		systemIdentifier: manifest.server.systemIdentifier,
		start: Date.parse(manifest.start),
	};
	const here = (await localManifests(run)).map(found => found.manifest);
	let there: Promise<readonly Manifest[]> | undefined;
	const shrunk: string[] = [];
	for (const database of databases) {
		const before =
			lastGoodDump(here, database, own) ?? lastGoodDump(await (there ??= manifestsThere(run, places)), database, own);
		const file = dumpOf(manifest, database);
		const loss = before && file && lossOf(before, {manifest, file}, limitOf(database));
		if (!loss) continue;
		shrunk.push(database);
		const percent = Math.round(percentOf(loss) * 10) / 10;
		run.emit({type: 'database.shrunk', job: databaseJobId(database), database, percent, ...loss});
	}
	return shrunk;
}

async function manifestsThere(run: ConfiguredContext, places: readonly Remote[]): Promise<readonly Manifest[]> {
	return (await Promise.all(places.map(async remote => manifestsAt(run, remote)))).flat();
}

async function manifestsAt(run: ConfiguredContext, remote: Remote): Promise<readonly Manifest[]> {
	try {
		return (await remoteManifests(run, remote, run.signal)).map(found => found.manifest);
	} catch (error) {
		run.signal.throwIfAborted();
		const text = `alarm_shrink cannot compare with the runs at ${remote.location}: ${messageOf(error)}`;
		run.emit({type: 'log', level: 'warn', text});
		return [];
	}
}

export function whyKept(database: string): string {
	return `the last dump of ${database} has shrunk (alarm_shrink)`;
}

/** Returns the databases with an alarm on their newest dump, from the manifests of a place. */
export function shrunkIn(manifests: readonly Manifest[]): ReadonlySet<string> {
	const judged = new Set<string>();
	const shrunk = new Set<string>();
	for (const manifest of manifests.toSorted((a, b) => Date.parse(b.start) - Date.parse(a.start))) {
		for (const {role, database} of manifest.files) {
			if (role !== 'dump' || database === undefined || judged.has(database)) continue;
			judged.add(database);
			if (manifest.shrunk?.includes(database)) shrunk.add(database);
		}
	}
	return shrunk;
}
