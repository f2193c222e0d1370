/**
 * What a run writes down about itself: `pg_back_<time>.manifest.json`, written last, locally and remotely. Only what is
 * listed here is a proven part of a backup. In a run that encrypts, what would confirm a guess at the contents (digests and
 * sizes of plain bytes, rows of tables) stands in a companion, which is encrypted like the dumps.
 */
import type {FileRole} from '../core/events.js';
import type {RunSummary} from '../core/handle.js';
import type {SchemaPart} from '../postgres/contents.js';
import type {RunRecord} from '../retention/purge-plan.js';

export const manifestSchema = 1;

export type Manifest = {
	readonly schema: typeof manifestSchema;
	readonly runId: string;
	/** Partial: something that was asked for is missing. */
	readonly outcome: 'complete' | 'partial';
	/** UTC, `2026-10-03T02:00:00.000Z`. */
	readonly start: string;
	readonly end: string;
	/** The machine that pg_back ran on. */
	readonly host: string;
	readonly server: {
		/** As the server prints it, such as `15.18`. */
		readonly version: string;
		/** pg_control's, where it may be read. */
		readonly systemIdentifier?: string;
		readonly host?: string;
		readonly port?: string;
		readonly inRecovery?: boolean;
	};
	/** Of pg_back itself. */
	readonly version: string;
	/** Program and version, such as `pg_dump`: `17.2`. */
	readonly tools: Readonly<Record<string, string>>;
	/** Options that matter for reading the files, as text, without secrets. */
	readonly options: Readonly<Record<string, string>>;
	/** Exact names of all databases that were asked for. */
	readonly databases: readonly string[];
	readonly failed: readonly FailedDatabase[];
	readonly files: readonly ManifestFile[];
};

export type FailedDatabase = {
	readonly database: string;
	/** A code of core/errors. */
	readonly code: string;
	readonly message: string;
};

export type ManifestFile = {
	/** Relative to the backup directory, with what `{dbname}` became. */
	readonly path: string;
	readonly role: FileRole;
	/** The exact name, for files of a database. */
	readonly database?: string;
	/** Base64 of the name's bytes, where they are not UTF-8. */
	readonly databaseBytes?: string;
	/** UTC: the instant that the file's name stands for. */
	readonly time: string;
	/** Bytes on disk; of a directory the sum. */
	readonly size: number;
	/** Lower-case hexadecimal SHA-256 of the bytes on disk; a directory has it for each member. */
	readonly sha256?: string;
	/** custom, plain, tar or directory. */
	readonly format?: string;
	readonly directory?: boolean;
	readonly members?: readonly ManifestMember[];
	readonly encryption?: {readonly recipients: number; readonly kind: string};
	readonly verified: Verified;
	readonly shipped: readonly Shipment[];
	/** Before encryption: in the companion, if the run encrypts. */
	readonly plain?: PlainFacts;
};

export type ManifestMember = {
	/** Relative to the directory dump. */
	readonly path: string;
	readonly size: number;
	readonly sha256?: string;
};

/** `hash`: hashed while it was written; `full`: read to its end by the tool that would restore it. */
export type Verified = 'none' | 'hash' | 'full';

export type Shipment = {
	/** Such as `s3://bucket/`. */
	readonly location: string;
	readonly key: string;
	/** For people: what was compared with what the remote says. */
	readonly checked: string;
};

export type PlainFacts = {
	/** Bytes. */
	readonly size?: number;
	readonly sha256?: string;
	/** Of the members of a directory dump, named as before encryption. */
	readonly members?: readonly ManifestMember[];
	/** Of the dump of a database, counted in its own snapshot. */
	readonly tables?: readonly TableFacts[];
	/** Tables that there were besides. */
	readonly uncounted?: number;
	/** The database's objects in the same snapshot. */
	readonly schema?: readonly SchemaPart[];
};

export type TableFacts = {readonly name: string; readonly rows: number};

/** The encrypted companion, `pg_back_<time>.private.json.age`. */
export type PrivateManifest = {
	readonly schema: typeof manifestSchema;
	readonly runId: string;
	/** By the path that the clear manifest has for the file. */
	readonly files: readonly {readonly path: string; readonly plain: PlainFacts}[];
};

/**
 * Takes out of the manifest of a run that encrypts what must not be read without the key. That a file itself is not
 * encrypted (its source was kept) makes no difference: the manifest goes to places where that file does not.
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

/** The inverse of `splitManifest`. A companion of another run is not taken. */
export function joinManifest(manifest: Manifest, companion: PrivateManifest): Manifest {
	if (companion.runId !== manifest.runId) return manifest;
	const plain = new Map(companion.files.map(file => [file.path, file.plain]));
	return {...manifest, files: manifest.files.map(file => ({...file, plain: plain.get(file.path) ?? file.plain}))};
}

/** The text of the file. */
export function printManifest(manifest: Manifest | PrivateManifest): string {
	return `${JSON.stringify(manifest, null, '\t')}\n`;
}

/** What a purge needs. `resolve` makes of a path relative to the backup directory what a listing of the place says. */
export function runRecord(manifest: Manifest, path: string, resolve: (relative: string) => string): RunRecord {
	const failed = new Set(manifest.failed.map(one => one.database));
	return {
		path,
		runId: manifest.runId,
		time: Date.parse(manifest.start),
		systemIdentifier: manifest.server.systemIdentifier,
		files: manifest.files.map(file => ({
			path: resolve(file.path),
			size: file.directory ? undefined : file.size,
			good: file.database === undefined || !failed.has(file.database),
			time: Date.parse(file.time),
		})),
	};
}

/** What the console shows of a run. `lastProven` comes from elsewhere. */
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
