/** The runs of a place with their existing dumps: from manifests, or from file names for runs without one. */
import type {ParsedName} from '../retention/names.js';
import {createRunGrouper} from '../retention/runs.js';
import type {RunContext, SecretContext} from '../runs/context.js';
import {loadConfiguredDecryption} from '../runs/identities.js';
import type {DecryptionKeys} from '../stages/age/load-keys.js';
import {type DumpItem, isDump, listItems, sizeOf} from './dump-items.js';
import {type Named, namesOfRun} from './find-run.js';
import type {FoundManifest} from './found-manifest.js';
import type {ManifestFile} from './manifest.js';
import type {Place, PlaceFile} from './place.js';
import {recordedFiles, withPrivateManifest} from './private-manifest.js';

export type DumpView = {
	readonly database: string;
	/** Relative to the place; for a directory dump the directory. */
	readonly path: string;
	readonly parsed: ParsedName;
	/** The members of a directory dump, or the single file. */
	readonly files: readonly PlaceFile[];
	/** Bytes. */
	readonly bytes: number;
	readonly encrypted: boolean;
	/** The entry in the manifest, joined with the private manifest if that could be read. */
	readonly recorded: ManifestFile | undefined;
};

export type RunView = Named & {
	readonly found: FoundManifest | undefined;
	readonly dumps: readonly DumpView[];
	/** Databases whose dump is in the manifest, and at this place no longer or only in part. */
	readonly gone: readonly string[];
};

/** Returns the runs, newest first. */
export async function viewRuns(signal: AbortSignal, place: Place): Promise<readonly RunView[]> {
	const manifests = await place.manifests(signal);
	const {items} = await listItems(place, signal);
	const named = new Set(manifests.flatMap(({manifest}) => manifest.files.map(file => file.path)));
	const recorded = manifests.map((found): RunView => {
		const dumps = found.manifest.files.flatMap(file => {
			const item = items.get(file.path);
			return item && file.role === 'dump' && hasContents(item) ? [viewOf(item, file)] : [];
		});
		const there = new Set(dumps.map(({database}) => database));
		const named = found.manifest.files.flatMap(({role, database}) => (role === 'dump' ? (database ?? []) : []));
		const gone = [...new Set(named)].filter(database => !there.has(database));
		return {...namesOfRun(found.path, found.manifest), found, dumps: oncePerDatabase(dumps), gone};
	});
	const rest = [...items.values()].filter(item => !named.has(item.path) && isDump(item));
	const grouper = createRunGrouper([]);
	for (const item of rest) grouper.add(item.path, item.parsed, sizeOf(item));
	const groups = grouper.runs();
	const members = Map.groupBy(rest, item => grouper.runOf(item.path, item.parsed));
	const unrecorded = groups.map((group): RunView => {
		const own = members.get(group.run) ?? [];
		return {
			id: group.run,
			time: group.time,
			timeTexts: [...new Set(own.map(item => item.parsed.timeText))],
			found: undefined,
			dumps: oncePerDatabase(own.map(item => viewOf(item, undefined))),
			gone: [],
		};
	});
	return [...recorded, ...unrecorded].toSorted((a, b) => b.time - a.time);
}

/** A purge that was interrupted may have removed a part of a directory dump. */
function hasContents({path, parsed, files}: DumpItem): boolean {
	return parsed.suffix !== 'd' || files.some(file => /^\/toc\.dat(?:\.age)?$/.test(file.path.slice(path.length)));
}

function viewOf(item: DumpItem, recorded: ManifestFile | undefined): DumpView {
	const {path, parsed, files} = item;
	const {subject} = parsed;
	return {
		database: recorded?.database ?? (subject.kind === 'database' ? subject.name : ''),
		path,
		parsed,
		files,
		bytes: sizeOf(item),
		encrypted: files.some(file => file.path.endsWith('.age')),
		recorded,
	};
}

/**
 * Keeps one dump for each database. A plain file that was kept next to its encrypted one is the same dump and needs no
 * key.
 */
function oncePerDatabase(dumps: readonly DumpView[]): readonly DumpView[] {
	return [...Map.groupBy(dumps, dump => dump.database).values()].flatMap(
		group => group.find(dump => !dump.encrypted) ?? group.slice(0, 1),
	);
}

/** Returns the run joined with its private manifest, if a key for it is available. */
export async function withRecorded(
	run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>,
	place: Place,
	view: RunView,
	keys: DecryptionKeys | undefined,
): Promise<RunView> {
	if (!view.found) return view;
	const manifest = await withPrivateManifest(run, place, view.found, keys);
	const known = recordedFiles(manifest);
	return {
		...view,
		found: {...view.found, manifest},
		dumps: view.dumps.map(dump => ({...dump, recorded: known.get(dump.path) ?? dump.recorded})),
	};
}

/** Returns a function that loads the configured keys at its first call; undefined if there are none. */
export function createKeyRing(run: SecretContext): () => Promise<DecryptionKeys | undefined> {
	let keys: Promise<DecryptionKeys | undefined> | undefined;
	return () => (keys ??= loadConfiguredDecryption(run));
}
