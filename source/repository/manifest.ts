/**
 * The manifest of a run: `pg_back_<time>.manifest.json`, written last, locally and remotely. Only files that are listed
 * in it count as verified. In an encrypting run, values that would confirm a guess at the contents (checksums and sizes
 * of plain bytes, rows of tables) are stored in a private manifest, which is encrypted like the dumps.
 */
import type {FileRole} from '../core/events.js';
import type {RunSummary} from '../core/handle.js';
import type {SchemaPart} from '../postgres/recorded-contents.js';
import type {RunRecord} from '../retention/purge-plan.js';
import {addressOf, type ServerIdentity} from '../retention/server-identity.js';

export const manifestSchema = 1;

export type Manifest = {
	readonly schema: typeof manifestSchema;
	readonly runId: string;
	/**
	 * Partial: something that was requested is missing. Running: a shard of a divided run may still report; never written
	 * to a file.
	 */
	readonly outcome: 'complete' | 'partial' | 'running';
	/** UTC, `2026-10-03T02:00:00.000Z`. */
	readonly start: string;
	readonly end: string;
	/** The host that pg_back ran on. */
	readonly host: string;
	/** The name of the server, as in `{server}`, if several servers are configured. */
	readonly serverName?: string;
	readonly server: {
		/** As the server prints it, such as `15.18`. */
		readonly version: string;
		/** The system identifier from pg_control, if readable. */
		readonly systemIdentifier?: string;
		readonly host?: string;
		readonly port?: string;
		readonly inRecovery?: boolean;
		/** The server's shared_preload_libraries, if readable. */
		readonly preloadLibraries?: readonly string[];
		/** The database that pg_cron uses. */
		readonly cronDatabase?: string;
	};
	/** The version of pg_back. */
	readonly version: string;
	/** Versions of programs, such as `pg_dump`: `17.2`. */
	readonly tools: Readonly<Record<string, string>>;
	/** Options that are needed to read the files, as text, without secrets. */
	readonly options: Readonly<Record<string, string>>;
	/** Exact names of all requested databases. */
	readonly databases: readonly string[];
	readonly failed: readonly FailedDatabase[];
	/**
	 * For several places: the locations that lack something, where all outputs were dumped and are stored at another one.
	 * At other places, and in the backup directory, the run is complete.
	 */
	readonly missingAt?: readonly string[];
	/** Databases that lost more than `alarm_shrink` allows, compared with their last dump that did not. */
	readonly shrunk?: readonly string[];
	readonly files: readonly ManifestFile[];
	/** Present for one shard of a divided run. */
	readonly shard?: ShardFacts;
	/** The files that the purge of this run was planned to remove at most, for users who look for a file. */
	readonly purge?: readonly PlannedRemovals[];
};

/** Facts about the whole run in the manifest of a shard, so that readers know what is missing. */
export type ShardFacts = {
	/** From 1 on. */
	readonly index: number;
	readonly of: number;
	/** The shards with work for this server. */
	readonly expected: readonly number[];
	/** Until when the others may still report, UTC. */
	readonly deadline: string;
	/** All databases of the server that the run dumps. */
	readonly databases: readonly string[];
	/** Databases of this shard that were dropped before they were dumped. */
	readonly gone?: readonly string[];
};

export type PlannedRemovals = {
	/** `backup` or the store's name. */
	readonly place: string;
	readonly location: string;
	/** Paths or keys; a directory dump is one entry. At most 10,000: `more` counts the rest. */
	readonly remove: readonly string[];
	readonly more?: number;
};

export type FailedDatabase = {
	readonly database: string;
	/** A code from core/errors. */
	readonly code: string;
	readonly message: string;
	/** The locations that lack it, if it was dumped and is stored at another one. */
	readonly missingAt?: readonly string[];
};

export type ManifestFile = {
	/** Relative to the backup directory, with `{dbname}` replaced. */
	readonly path: string;
	readonly role: FileRole;
	/** The exact name, for files of a database. */
	readonly database?: string;
	/** Base64 of the name's bytes, if they are not UTF-8. */
	readonly databaseBytes?: string;
	/** The time in the file's name, in UTC. */
	readonly time: string;
	/** Bytes on disk; for a directory the sum of its files. */
	readonly size: number;
	/** Lower-case hexadecimal SHA-256 of the bytes on disk; for a directory each member has its own. */
	readonly sha256?: string;
	/** custom, plain, tar or directory. */
	readonly format?: string;
	readonly directory?: boolean;
	readonly members?: readonly ManifestMember[];
	/** `to`: the public keys, for people (long ones are cut). */
	readonly encryption?: {readonly recipients: number; readonly kind: string; readonly to?: readonly string[]};
	readonly verified: Verified;
	readonly shipped: readonly Shipment[];
	/** Values before encryption; stored in the private manifest if the run encrypts. */
	readonly plain?: PlainFacts;
};

export type ManifestMember = {
	/** Relative to the directory dump. */
	readonly path: string;
	readonly size: number;
	readonly sha256?: string;
	/** For a part of a divided table, counted when it was written. */
	readonly rows?: number;
};

/** `hash`: hashed while it was written; `full`: read to its end by the tool that restores it. */
export type Verified = 'none' | 'hash' | 'full';

export type Shipment = {
	/** Such as `s3://bucket/`. */
	readonly location: string;
	readonly key: string;
	/** How the object was checked against the remote, for people. */
	readonly checked: string;
};

export type PlainFacts = {
	/** Bytes. */
	readonly size?: number;
	readonly sha256?: string;
	/** For the whole dump of a database: bytes of the database on the server when the run began. */
	readonly databaseSize?: number;
	/** The members of a directory dump, with their names before encryption. */
	readonly members?: readonly ManifestMember[];
	/** For the dump of a database, counted in its own snapshot. */
	readonly tables?: readonly TableFacts[];
	/** The number of further tables, which were not counted. */
	readonly uncounted?: number;
	/** The database's objects in the same snapshot. */
	readonly schema?: readonly SchemaPart[];
};

export type TableFacts = {readonly name: string; readonly rows: number};

/** The encrypted private manifest, `pg_back_<time>.private.json.age`. */
export type PrivateManifest = {
	readonly schema: typeof manifestSchema;
	readonly runId: string;
	/** Keyed by the file's path in the manifest. */
	readonly files: readonly {readonly path: string; readonly plain: PlainFacts}[];
};

/**
 * Splits a manifest: values that must not be readable without the key move to the private manifest. This also applies
 * to files that are not encrypted themselves (kept sources), because the manifest is copied to places where those files
 * are not.
 */
export function splitManifest(whole: Manifest): {manifest: Manifest; companion?: PrivateManifest} {
	if (!whole.files.some(file => file.encryption)) return {manifest: whole};
	const secret: {path: string; plain: PlainFacts}[] = [];
	const files = whole.files.map(file => {
		const {plain, ...clear} = file;
		if (file.encryption) {
			if (plain) secret.push({path: file.path, plain});
			return clear;
		}
		const {sha256, members, ...bare} = clear;
		secret.push({path: file.path, plain: {size: file.size, sha256, members, ...plain}});
		return bare;
	});
	return {
		manifest: {...whole, files},
		companion: {schema: manifestSchema, runId: whole.runId, files: secret},
	};
}

/** Inverts `splitManifest`. Rejects the private manifest of another run. In a divided run each shard has its own. */
export function joinManifest(manifest: Manifest, companion: PrivateManifest): Manifest {
	if (companion.runId !== manifest.runId) return manifest;
	const plain = new Map(companion.files.map(file => [file.path, file.plain]));
	return {...manifest, files: manifest.files.map(file => ({...file, plain: plain.get(file.path) ?? file.plain}))};
}

/** Returns the manifest as it applies to one place: what only other places lack is not missing there. */
export function manifestAt(manifest: Manifest, location: string | undefined): Manifest {
	const isHere = ({missingAt}: {readonly missingAt?: readonly string[]}) =>
		missingAt === undefined || (location !== undefined && missingAt.includes(location));
	return {
		...manifest,
		outcome: isHere(manifest) ? manifest.outcome : 'complete',
		failed: manifest.failed.filter(isHere),
	};
}

/** Returns the text of the file. */
export function printManifest(manifest: Manifest | PrivateManifest): string {
	return `${JSON.stringify(manifest, null, '\t')}\n`;
}

/** Returns the server that a run dumped, as far as its manifest contains it. */
export function identityOf({server, host}: Pick<Manifest, 'server' | 'host'>): ServerIdentity {
	return {systemIdentifier: server.systemIdentifier, address: addressOf(server.host, server.port, host)};
}

/**
 * Returns what a purge needs to know about a run. `resolve` converts a path relative to the backup directory to the
 * form of the place's listing.
 */
export function runRecord(
	manifest: Manifest,
	{path, parts}: Pick<RunRecord, 'path' | 'parts'>,
	resolve: (relative: string) => string,
): RunRecord {
	const failed = new Set(manifest.failed.map(one => one.database));
	return {
		path,
		...(parts && {parts}),
		runId: manifest.runId,
		time: Date.parse(manifest.start),
		server: identityOf(manifest),
		files: manifest.files.map(file => ({
			path: resolve(file.path),
			size: file.directory ? undefined : file.size,
			good: file.database === undefined || !failed.has(file.database),
			time: Date.parse(file.time),
		})),
	};
}

/** Returns the summary of a run for the console. `lastProven` is read from elsewhere. */
export function summarizeManifest(manifest: Manifest, run: string = manifest.runId): RunSummary {
	return {
		run,
		time: Date.parse(manifest.start),
		state: manifest.outcome,
		serverVersion: manifest.server.version,
		databases: manifest.databases,
		failed: manifest.failed.map(one => one.database),
		encrypted: manifest.files.some(file => file.encryption !== undefined),
	};
}
