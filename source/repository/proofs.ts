/** Results of restore drills of a run: `pg_back_<time>.proven.json` next to its manifest. */
import {join} from 'node:path';
import type {Configuration} from '../config/configuration.js';
import {isSystemError, messageOf} from '../core/errors.js';
import {count, type Decode, DecodeError, list, object, oneOf, optional, string, text} from '../lib/decode.js';
import {display} from '../lib/display.js';
import {readOwnText, UnsafeFileError} from '../lib/own-file.js';
import {once} from '../lib/single-chunk.js';
import {parsePath} from '../retention/names.js';
import type {ConfiguredContext, RunContext} from '../runs/context.js';
import {publishAll, writeArtifact} from '../stages/artifact.js';
import {readDirectoryIfThere} from './backup-directories.js';
import type {FoundManifest} from './found-manifest.js';
import type {Manifest} from './manifest.js';
import {manifestDirectory} from './manifests.js';
import type {Place} from './place.js';
import {type Compared, verdictOf} from './verdict.js';

export type Proven = {
	readonly schema: 1;
	readonly runId: string;
	readonly databases: readonly ProvenDatabase[];
};

/** The last drill of a database that found no error. */
export type ProvenDatabase = Compared & {
	/** `restored`: as the dump is; `proven`: also equal to what was recorded at the time of the dump. */
	readonly verdict?: 'restored' | 'proven';
	readonly database: string;
	/** UTC. */
	readonly time: string;
	/** The host that the drill ran on. */
	readonly host: string;
	/** Version of the server that it was restored into. */
	readonly server: string;
};

const instant = text(value => !Number.isNaN(Date.parse(value)), 'utc instant');
const proven: Decode<Proven> = object({
	schema: knownSchema,
	runId: string,
	databases: list(
		object({
			database: string,
			time: instant,
			host: string,
			server: string,
			tables: count,
			uncounted: count,
			schema: oneOf('definitions', 'names', 'none'),
			verdict: optional(oneOf('restored', 'proven')),
			held: optional(object({objects: optional(count), tables: count, rows: count})),
		}),
	),
});

function knownSchema(value: unknown, place: string): 1 {
	if (value !== 1) throw new DecodeError(place, 'schema that is known');
	return 1;
}

/** Returns undefined for unreadable content, which counts as no proof. */
export function parseProven(content: string): Proven | undefined {
	try {
		return proven(JSON.parse(content), '');
	} catch (error) {
		if (error instanceof SyntaxError || error instanceof DecodeError) return undefined;
		throw error;
	}
}

/** Returns when a drill last restored the whole run; like `lastProven`. */
export function lastRestored(manifest: Manifest, proof: Proven | undefined): number | undefined {
	return lastOf(manifest, proof, () => true);
}

/**
 * Returns when the whole run was last proven, in milliseconds since the epoch: the oldest proof of its dumps, if each
 * has one.
 */
export function lastProven(manifest: Manifest, proof: Proven | undefined): number | undefined {
	return lastOf(manifest, proof, one => verdictOf(one) === 'proven');
}

function lastOf(
	manifest: Manifest,
	proof: Proven | undefined,
	counts: (one: ProvenDatabase) => boolean,
): number | undefined {
	const dumped = new Set(
		manifest.files.flatMap(file => (file.role === 'dump' && file.database !== undefined ? [file.database] : [])),
	);
	if (dumped.size === 0 || proof?.runId !== manifest.runId) return undefined;
	const times = new Map(proof.databases.filter(counts).map(one => [one.database, Date.parse(one.time)]));
	return [...dumped].reduce<number | undefined>((oldest, database) => {
		const time = times.get(database);
		return oldest === undefined || time === undefined ? undefined : Math.min(oldest, time);
	}, Infinity);
}

/** Returns the path of the proof that belongs to a manifest, in the same form as the manifest's path. */
export function provenPath(manifestPath: string): string {
	return manifestPath.replace(/manifest\.json$/, 'proven.json');
}

/** Reads every proof at a place, by run; with `only` the one at that path. */
export async function readProofs(
	run: Pick<RunContext, 'configuration' | 'emit'>,
	place: Place,
	signal: AbortSignal,
	only?: string,
): Promise<ReadonlyMap<string, Proven>> {
	const proofs = new Map<string, Proven>();
	for await (const {path, read} of proofFiles(run.configuration, place, signal)) {
		if (only !== undefined && path !== only) continue;
		try {
			const proof = parseProven(await read());
			if (proof) proofs.set(proof.runId, proof);
		} catch (error) {
			if (place.remote || !(error instanceof UnsafeFileError || isSystemError(error))) throw error;
			run.emit({type: 'log', level: 'warn', text: display(`ignoring the proof ${path}: ${messageOf(error)}`)});
		}
	}
	return proofs;
}

/** Reads the proof of one run. */
export async function readProof(
	run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>,
	place: Place,
	{path, manifest}: FoundManifest,
): Promise<Proven | undefined> {
	return (await readProofs(run, place, run.signal, provenPath(path))).get(manifest.runId);
}

type ProofFile = {readonly path: string; readonly read: () => Promise<string>};

/** Bytes; far more than any proof has. */
const largest = 64 << 20;

async function* proofFiles(configuration: Configuration, place: Place, signal: AbortSignal): AsyncGenerator<ProofFile> {
	const directory = manifestDirectory(configuration);
	const {remote} = place;
	const isProof = (name: string) => parsePath(name)?.suffix === 'proven.json';
	if (remote) {
		for await (const {key, size} of remote.storage.list(remote.keyFor(join(directory, 'pg_back_')), {signal})) {
			if (isProof(key) && size < largest) yield {path: key, read: () => textOf(remote.storage.get(key, {signal}))};
		}
		return;
	}
	for (const entry of await readDirectoryIfThere(directory)) {
		const path = join(directory, entry.name);
		if (entry.isFile() && isProof(entry.name)) yield {path, read: () => readOwnText(path, largest)};
	}
}

/** Adds the results of a drill to those of earlier ones. A place that is not writable causes a warning. */
export async function writeProof(
	run: ConfiguredContext,
	place: Place,
	{path, manifest}: FoundManifest,
	databases: readonly ProvenDatabase[],
): Promise<void> {
	if (databases.length === 0) return;
	try {
		const before = (await readProof(run, place, {path, manifest}))?.databases ?? [];
		const now = new Set(databases.map(one => one.database));
		const proof: Proven = {
			schema: 1,
			runId: manifest.runId,
			databases: [...before.filter(one => !now.has(one.database)), ...databases],
		};
		const bytes = Buffer.from(`${JSON.stringify(proof, null, '\t')}\n`);
		if (place.remote) {
			const source = {size: bytes.byteLength, read: (offset: number) => once(bytes.subarray(offset))};
			await place.remote.storage.put(provenPath(path), source, {signal: run.signal});
			return;
		}
		const settings = {
			run: run.tag,
			mode: run.configuration.settings.backupFileMode,
			extraAlgorithms: [],
			keepSource: false,
		};
		const written = await writeArtifact(once(bytes), {
			plainPath: provenPath(path),
			role: 'manifest',
			settings,
			signal: run.signal,
		});
		await publishAll([written], 'proven', run.emit, {replace: true});
	} catch (error) {
		run.signal.throwIfAborted();
		run.emit({
			type: 'log',
			level: 'warn',
			text: `cannot save the drill result at ${place.label}: ${messageOf(error)}`,
		});
	}
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of source) chunks.push(Buffer.from(chunk));
	return Buffer.concat(chunks).toString();
}
