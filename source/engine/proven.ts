/** What restore drills have proved of a run: `pg_back_<time>.proven.json` beside its manifest. */
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {messageOf} from '../core/errors.js';
import {count, DecodeError, list, object, oneOf, optional, string, text, type Decode} from '../lib/decode.js';
import {parsePath} from '../retention/names.js';
import {publishAll, writeArtifact} from '../stages/artifact.js';
import {readDirectory} from './backup-directories.js';
import type {RunContext} from './context.js';
import {verdictOf, type Compared} from './drill-compare.js';
import type {Manifest} from './manifest.js';
import {manifestDirectory, type FoundManifest} from './manifests.js';
import type {Place} from './place.js';
import {once} from '../lib/once.js';

export type Proven = {
	readonly schema: 1;
	readonly runId: string;
	readonly databases: readonly ProvenDatabase[];
};

/** The last drill of a database that found nothing wrong. */
export type ProvenDatabase = Compared & {
	/** Restored as the dump is, or also equal to what was recorded when it was made. */
	readonly verdict?: 'restored' | 'proven';
	readonly database: string;
	/** UTC. */
	readonly time: string;
	/** Where the drill ran. */
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

/** Undefined for what cannot be read: the proof is then not there. */
export function parseProven(content: string): Proven | undefined {
	try {
		return proven(JSON.parse(content), '');
	} catch (error) {
		if (error instanceof SyntaxError || error instanceof DecodeError) return undefined;
		throw error;
	}
}

/** When the whole run was last restored by a drill, as `lastProven`. */
export function lastRestored(manifest: Manifest, proof: Proven | undefined): number | undefined {
	return lastOf(manifest, proof, () => true);
}

/** When the whole run was last proven, in milliseconds since the epoch: the oldest proof of its dumps, if each has one. */
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

/** The path of the proof of a manifest, as the manifest's own is written. */
export function provenPath(manifestPath: string): string {
	return manifestPath.replace(/manifest\.json$/, 'proven.json');
}

/** Every proof at a place, by run. */
export async function readProofs(
	run: RunContext,
	place: Place,
	signal: AbortSignal,
): Promise<ReadonlyMap<string, Proven>> {
	const proofs = new Map<string, Proven>();
	for await (const read of proofFiles(run, place, signal)) {
		const proof = parseProven(await read());
		if (proof) proofs.set(proof.runId, proof);
	}
	return proofs;
}

async function* proofFiles(run: RunContext, place: Place, signal: AbortSignal): AsyncGenerator<() => Promise<string>> {
	const directory = manifestDirectory(run);
	const {remote} = place;
	const isProof = (name: string) => parsePath(name)?.suffix === 'proven.json';
	if (remote) {
		for await (const {key, size} of remote.storage.list(remote.keyFor(join(directory, 'pg_back_')), {signal})) {
			if (isProof(key) && size < 64 << 20) yield () => textOf(remote.storage.get(key, {signal}));
		}
		return;
	}
	for (const entry of await readDirectory(directory).catch(() => [])) {
		// no backup yet
		if (entry.isFile() && isProof(entry.name)) yield () => readFile(join(directory, entry.name), 'utf8');
	}
}

/** Adds to what earlier drills proved of the run. A place that cannot be written to is a warning. */
export async function writeProof(
	run: RunContext,
	place: Place,
	{path, manifest}: FoundManifest,
	databases: readonly ProvenDatabase[],
): Promise<void> {
	if (databases.length === 0) return;
	try {
		const before = (await readProofs(run, place, run.signal)).get(manifest.runId)?.databases ?? [];
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
			text: `what was proved cannot be written down at ${place.label}: ${messageOf(error)}`,
		});
	}
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of source) chunks.push(Buffer.from(chunk));
	return Buffer.concat(chunks).toString();
}
