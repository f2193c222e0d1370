/** Joins the manifests of a divided run's shards to the one manifest of that run. Pure. */
import {parsePath} from '../retention/names.js';
import type {FoundManifest} from './found-manifest.js';
import type {FailedDatabase, Manifest, ManifestFile, ShardFacts} from './manifest.js';

type Part = {readonly path: string; readonly manifest: Manifest; readonly shard: ShardFacts};

/** Returns one manifest for each run. `now` is in milliseconds since the epoch. */
export function joinShards(found: readonly FoundManifest[], now: number): readonly FoundManifest[] {
	const parts = found.flatMap(({path, manifest}): Part[] =>
		manifest.shard ? [{path, manifest, shard: manifest.shard}] : [],
	);
	if (parts.length === 0) return found;
	const runs = Map.groupBy(parts, ({path, manifest}) => JSON.stringify([manifest.runId, wholePath(path)]));
	return [...found.filter(({manifest}) => !manifest.shard), ...[...runs.values()].map(of => joinRun(of, now))];
}

/**
 * Returns the path that the manifest of an undivided run would have, from which the names of the run's companions are
 * derived.
 */
function wholePath(path: string): string {
	return path.replace(/\.shard-\d+-of-\d+(?:\.\d+)?(?=\.manifest\.json$)/, '');
}

function joinRun(unordered: readonly Part[], now: number): FoundManifest {
	const parts = unordered.toSorted((a, b) => a.shard.index - b.shard.index || attemptOf(a) - attemptOf(b));
	const [first] = parts;
	if (first === undefined) throw new TypeError('a run without manifests');
	const {shard: _own, purge: _removals, shrunk: _alarms, ...common} = first.manifest;
	const files = filesOf(parts);
	const dumped = new Set(files.flatMap(({role, database}) => (role === 'dump' ? [database] : [])));
	const reported = new Map(parts.flatMap(({manifest}) => manifest.failed).map(one => [one.database, one] as const));
	const failed = [...reported.values()].filter(({database}) => !dumped.has(database));
	const done = new Set(parts.filter(({manifest}) => manifest.outcome === 'complete').map(({shard}) => shard.index));
	const expected = new Set(parts.flatMap(({shard}) => shard.expected));
	const seen = new Set(parts.map(({shard}) => shard.index));
	const isMissing = [...expected].some(index => !seen.has(index));
	const deadline = Math.max(...parts.map(({shard}) => Date.parse(shard.deadline)));
	const isRunning = isMissing && now < deadline;
	const gone = new Set(parts.flatMap(({shard}) => shard.gone ?? []));
	const databases = [...new Set(parts.flatMap(({manifest, shard}) => [...shard.databases, ...manifest.databases]))];
	const asked = databases.filter(name => dumped.has(name) || !gone.has(name));
	const silent = isRunning ? [] : asked.filter(name => !dumped.has(name) && !reported.has(name)).map(silentShard);
	const isComplete = [...expected].every(index => done.has(index)) && failed.length + silent.length === 0;
	const shrunk = [...new Set(parts.flatMap(({manifest}) => manifest.shrunk ?? []))];
	return {
		path: wholePath(first.path),
		parts: parts.map(({path}) => path),
		manifest: {
			...common,
			outcome: isComplete ? 'complete' : isRunning ? 'running' : 'partial',
			end: lastOf(parts.map(({manifest}) => manifest.end)),
			databases: asked,
			failed: [...failed, ...silent],
			...(shrunk.length > 0 && {shrunk}),
			files,
		},
	};
}

/** Attempts at one shard name the same files; details that only one of them has are kept. */
function filesOf(parts: readonly Part[]): readonly ManifestFile[] {
	const files = new Map<string, ManifestFile>();
	for (const {manifest} of parts)
		for (const file of manifest.files) files.set(file.path, {...file, ...files.get(file.path)});
	return [...files.values()];
}

function silentShard(database: string): FailedDatabase {
	return {database, code: 'CANCELLED', message: 'the shard that was to dump it did not report in time'};
}

function attemptOf({path}: Part): number {
	return parsePath(path)?.shard?.attempt ?? 1;
}

function lastOf(times: readonly string[]): string {
	return times.reduce((last, time) => (Date.parse(time) > Date.parse(last) ? time : last));
}
