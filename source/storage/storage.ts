/** The one interface to every place where files are kept. Decorators add retries, limits and dry runs; targets only talk. */

import type {ReadInto} from '../lib/read-chunks.js';
import type {Clock} from './clock.js';

export type StorageObject = {
	readonly key: string;
	/** Bytes. */
	readonly size: number;
	/** Milliseconds since the epoch, where the service says. */
	readonly modified?: number;
	/** SFTP and local directories; object stores have none. */
	readonly directory?: boolean;
};

export type ObjectInfo = StorageObject & {
	/** Our own metadata, such as `sha256`. */
	readonly metadata: Readonly<Record<string, string>>;
	/** What the service itself says of the content, such as `{crc32: '…'}`; a multipart ETag is not an MD5 and is not here. */
	readonly checksums?: Readonly<Record<string, string>>;
};

/** Where the bytes of an upload come from. */
export type PutSource = {
	/** Bytes in all, where that is known before the end. */
	readonly size?: number;
	/**
	 * Bytes from `offset` on, to the end. May be called again after a failure, and with an offset to resume. Throws when the
	 * source fails; the upload then fails too and leaves nothing visible. Each chunk belongs to whoever reads it.
	 */
	readonly read: (offset: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;
	/**
	 * Fills `target` from byte `offset` on and returns how many bytes came: fewer than asked at any time, 0 only at the end. What a
	 * file can offer beside `read` so that its bytes go straight into the buffers of a part, without a copy.
	 */
	readonly readInto?: ReadInto;
};

export type PutOptions = {
	readonly signal: AbortSignal;
	/**
	 * Stored beside the object where the service can. Called once: after the last byte where that is early enough, so that a digest
	 * taken on the way fits; before the first byte of an S3 multipart upload, which must say its metadata at the start. Gives what is
	 * known at that moment; empty values are left out.
	 */
	readonly metadata?: () => Readonly<Record<string, string>>;
	/** Refuse when the key exists (`If-None-Match: *`); the error's code is EXISTS. */
	readonly ifAbsent?: boolean;
	/** Called with the bytes that the service has confirmed so far. */
	readonly onProgress?: (bytes: number) => void;
	/** Lower-case hexadecimal SHA-256 of the whole, once known: compared by targets that can. */
	readonly sha256?: () => string | undefined;
	/** What a resumable upload needs to go on later; called whenever it changes. Persisted by the caller. */
	readonly onJournal?: (journal: unknown) => void;
	/** What an earlier, interrupted upload of the same bytes left with `onJournal`. */
	readonly journal?: unknown;
	/** Predicted size in bytes when `source.size` is unknown: only used to choose part sizes. */
	readonly expectedSize?: number;
};

export type PutResult = {
	/** Bytes, as the service reports them after the end. */
	readonly size: number;
	/** For people: what was compared, such as `size and crc32 checked`. */
	readonly checked: string;
};

export type RemoveResult = {readonly key: string; readonly error?: Error};

export type ListOptions = {readonly signal: AbortSignal; readonly after?: string};

export type GetOptions = {readonly signal: AbortSignal; readonly offset?: number};

/** What a target is opened with, beside its own settings. */
export type OpenContext = {
	/** The environment that credentials may come from. */
	readonly env: Readonly<Record<string, string | undefined>>;
	/** Ends the opening; every operation brings its own signal. */
	readonly signal: AbortSignal;
	/** Tells of retries, refreshed credentials and the like, without secrets. */
	readonly log: (level: 'debug' | 'info' | 'warn', text: string) => void;
	readonly clock?: Clock;
	/** Milliseconds for which one thing is tried again; 15 minutes by default. */
	readonly retryBudget?: number;
	/** Milliseconds without a byte; 60 seconds by default. */
	readonly idleTimeout?: number;
};

/** A plain object whose functions use no `this`: decorators copy it. */
export type Storage = {
	/** s3, b2, gcs, azure, sftp, local or memory. */
	readonly kind: string;
	/** For people and logs, without secrets: `s3://bucket/`. */
	readonly location: string;
	/**
	 * Every object whose key begins with `prefix`, in the order of the service. Pages are fetched as they are consumed; a page
	 * that fails throws: the iteration never ends early in silence. `after` leaves out everything up to and including that key, so
	 * that a listing which broke off goes on where it was.
	 */
	readonly list: (prefix: string, options: ListOptions) => AsyncIterable<StorageObject>;
	/** No object is visible under `key` unless it is whole. */
	readonly put: (key: string, source: PutSource, options: PutOptions) => Promise<PutResult>;
	/** The bytes from `offset` (default 0) on, all of them or an error. A missing key is an error that `isMissing` (errors.ts) knows. */
	readonly get: (key: string, options: GetOptions) => AsyncIterable<Uint8Array>;
	/** Undefined when there is no such object. */
	readonly stat: (key: string, options: {readonly signal: AbortSignal}) => Promise<ObjectInfo | undefined>;
	/** In batches where the service has them. One result a key, in order; a key that is not there is removed already. */
	readonly remove: (
		keys: readonly string[],
		options: {readonly signal: AbortSignal},
	) => Promise<readonly RemoveResult[]>;
	/** True when trying again cannot help: missing, forbidden, malformed, exists. Most targets use `isPermanentError` (errors.ts). */
	readonly isPermanent: (error: unknown) => boolean;
	/** Aborts uploads that nobody will finish, older than `olderThan` (milliseconds since the epoch). Returns their keys. */
	readonly cleanup?: (
		prefix: string,
		options: {readonly signal: AbortSignal; readonly olderThan: number},
	) => Promise<readonly string[]>;
	/**
	 * True when the target itself ends a connection on which nothing moves for `idleTimeout`. Needed where `onProgress` comes in
	 * steps that a slow line does not manage in that time; all others are watched by the idle decorator.
	 */
	readonly watchesIdle?: boolean;
	/** May be called twice; ends connections. */
	readonly close: () => Promise<void>;
};
