/** Reads manifests: tolerant of fields that a newer pg_back may have added, strict about everything that matters. */
import {PgBackError} from '../core/errors.js';
import {
	boolean,
	count,
	type Decode,
	DecodeError,
	dictionary,
	list,
	object,
	oneOf,
	optional,
	string,
	text,
} from '../lib/decode.js';
import {display} from '../lib/display.js';
import {type Manifest, type ManifestFile, manifestSchema, type PlainFacts, type PrivateManifest} from './manifest.js';

const sha256 = text(value => /^[0-9a-f]{64}$/.test(value), 'sha256 digest');
const instant = text(
	value => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(value) && !Number.isNaN(Date.parse(value)),
	'utc instant',
);
/** Relative and inside the directory, since it will be joined to a directory. */
const path = text(
	value => !value.includes('\0') && value.split('/').every(part => part !== '' && part !== '.' && part !== '..'),
	'safe relative path',
);
const schema: Decode<typeof manifestSchema> = () => manifestSchema; // checked first

const members = optional(list(object({path, size: count, sha256: optional(sha256), rows: optional(count)})));
const plain: Decode<PlainFacts> = object({
	size: optional(count),
	sha256: optional(sha256),
	databaseSize: optional(count),
	members,
	tables: optional(list(object({name: string, rows: count}))),
	uncounted: optional(count),
	schema: optional(list(object({kind: string, count, names: sha256, definitions: sha256}))),
});
/** One entry of `files`. */
export const fileOfManifest: Decode<ManifestFile> = object({
	path,
	role: oneOf('dump', 'globals', 'settings', 'hba', 'ident', 'createdb', 'checksum', 'manifest', 'other'),
	database: optional(string),
	databaseBytes: optional(string),
	time: instant,
	size: count,
	sha256: optional(sha256),
	format: optional(string),
	directory: optional(boolean),
	members,
	encryption: optional(object({recipients: count, kind: string, to: optional(list(string))})),
	verified: oneOf('none', 'hash', 'full'),
	shipped: list(object({location: string, key: string, checked: string})),
	plain: optional(plain),
});
const manifest: Decode<Manifest> = object({
	schema,
	runId: string,
	outcome: oneOf('complete', 'partial'),
	start: instant,
	end: instant,
	host: string,
	serverName: optional(string),
	server: object({
		version: string,
		systemIdentifier: optional(string),
		host: optional(string),
		port: optional(string),
		inRecovery: optional(boolean),
		preloadLibraries: optional(list(string)),
		cronDatabase: optional(string),
	}),
	version: string,
	tools: dictionary(string),
	options: dictionary(string),
	databases: list(string),
	failed: list(object({database: string, code: string, message: string, missingAt: optional(list(string))})),
	missingAt: optional(list(string)),
	shrunk: optional(list(string)),
	shard: optional(
		object({
			index: count,
			of: count,
			expected: list(count),
			deadline: instant,
			databases: list(string),
			gone: optional(list(string)),
		}),
	),
	files: list(fileOfManifest),
});
const privateManifest: Decode<PrivateManifest> = object({schema, runId: string, files: list(object({path, plain}))});

/** Parses a manifest. `where` names the file in the error, which has the code CORRUPT. */
export function parseManifest(content: string, where: string): Manifest {
	return parse(content, where, manifest);
}

/** Parses the decrypted text of a private manifest. */
export function parsePrivateManifest(content: string, where: string): PrivateManifest {
	return parse(content, where, privateManifest);
}

const schemaOnly = object({schema: count});

function parse<T>(content: string, where: string, decode: Decode<T>): T {
	try {
		const value: unknown = JSON.parse(content);
		const found = schemaOnly(value, '').schema;
		if (found !== manifestSchema) {
			throw corrupt(where, `schema ${found} is not known`, 'it was written by a newer pg_back: update this one');
		}
		return decode(value, '');
	} catch (error) {
		const hint = 'the file is truncated or was changed; its dumps can still be found by their names';
		if (error instanceof SyntaxError) throw corrupt(where, 'invalid JSON', hint, error);
		if (error instanceof DecodeError) throw corrupt(where, error.message, hint, error);
		throw error;
	}
}

function corrupt(where: string, problem: string, hint: string, cause?: unknown): PgBackError {
	return new PgBackError('CORRUPT', display(`manifest ${where}: ${problem}`), {hint, cause});
}
