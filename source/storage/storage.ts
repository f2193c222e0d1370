/** The one interface to every store. Decorators add retries and limits; stores only communicate. */

import type {Socket} from 'node:net';
import type {Environment} from '../lib/environment.js';
import type {HttpClients} from '../lib/http/http.js';
import type {ReadInto} from '../lib/read-chunks.js';
import type {Clock} from './clock.js';
import type {Proof, StoredChecksum} from './proof.js';

export type StorageObject = {
	readonly key: string;
	/** Bytes. */
	readonly size: number;
	/** Milliseconds since the epoch, if the service reports it. */
	readonly modified?: number;
	/** Why what the service reports about it cannot be believed: it is not purged, and does not count as a good dump. */
	readonly doubt?: string;
	/** SFTP and local directories; object stores have none. */
	readonly directory?: boolean;
	/** Until when the service refuses to remove it, in milliseconds since the epoch, if a listing contains it. */
	readonly lockedUntil?: number;
};

export type ObjectInfo = StorageObject & {
	/** Metadata set by pg_back, such as `sha256`; it proves nothing about what is stored. */
	readonly metadata: Readonly<Record<string, string>>;
	/**
	 * Checksums of the whole object that the service computed from the stored bytes, in lower-case hexadecimal. Never a
	 * value that the client may have set, nor an ETag of a multipart upload.
	 */
	readonly checksums?: readonly StoredChecksum[];
	/** Identifies the current version, if the service keeps several under one key. */
	readonly version?: string | undefined;
};

/** Bytes that are still being produced, such as a dump's. */
export type GrowingBytes = {
	/** Returns true when all bytes exist. */
	readonly isComplete: () => boolean;
	/** Returns true when a read at `offset` would return bytes, the end or an error immediately. */
	readonly isReady: (offset: number) => boolean;
	/** Resolves when `isReady` would be true; throws when the source has failed, or on abort. */
	readonly wait: (offset: number, signal: AbortSignal) => Promise<void>;
};

/** The source of an upload's bytes. */
export type PutSource = {
	/** Total bytes, if known before the end. */
	readonly size?: number;
	/**
	 * Yields bytes from `offset` to the end. May be called again after a failure, and with an offset to resume. Throws
	 * when the source fails; the upload then fails too and leaves nothing visible. The reader owns each chunk.
	 */
	readonly read: (offset: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;
	/**
	 * Fills `target` from byte `offset` on and returns the number of bytes: possibly fewer than requested, 0 only at the
	 * end. A file can provide this in addition to `read`, so that its bytes are read into the buffers of a part without a
	 * copy.
	 */
	readonly readInto?: ReadInto;
	/** Present if a read may have to wait for the producer of the bytes. */
	readonly growing?: GrowingBytes;
	/**
	 * Present for bytes that are kept nowhere else and are read only once, in order. Returns false as soon as the
	 * beginning cannot be read again: a failed upload is then not repeated. Nothing of such a source may be visible before
	 * it is complete; a store that cannot ensure this rejects it with the fault `unsupported`.
	 */
	readonly canRestart?: () => boolean;
};

export type PutOptions = {
	readonly signal: AbortSignal;
	/**
	 * Metadata to store with the object, if the service supports it. Called once: after the last byte if that is early
	 * enough, so that a checksum computed during the upload is included; before the first byte of an S3 multipart upload,
	 * which requires its metadata at the start. Returns what is known at that moment; empty values are omitted.
	 */
	readonly metadata?: () => Readonly<Record<string, string>>;
	/** Rejects the upload when the key exists (`If-None-Match: *`); the error has the code EXISTS. */
	readonly ifAbsent?: boolean;
	/**
	 * With `ifAbsent`: only the service decides, atomically with the creation of the object, without a check before. Of
	 * several concurrent writers exactly one succeeds. If the service does not support this, the error has the fault
	 * `unsupported`.
	 */
	readonly atomic?: boolean;
	/** Called with the number of bytes that the service has confirmed so far. */
	readonly onProgress?: (bytes: number) => void;
	/**
	 * Called with true when the upload gets a slot (decorators/limit.ts), with false when it waits for one or is done.
	 */
	readonly onSlot?: (hasSlot: boolean) => void;
	/** Returns the lower-case hexadecimal SHA-256 of the whole source, once known; compared by stores that can. */
	readonly sha256?: () => string | undefined;
	/** Called with the state that a later upload needs to resume, whenever it changes. The caller persists it. */
	readonly onJournal?: (journal: unknown) => void;
	/** The last `onJournal` value of an earlier, interrupted upload of the same bytes. */
	readonly journal?: unknown;
	/** Estimated bytes when `source.size` is unknown: only used to choose part sizes. */
	readonly expectedSize?: number;
};

export type PutResult = {
	/** Bytes as reported by the service after the upload. */
	readonly size: number;
	/** The proof that these bytes are stored (proof.ts). */
	readonly proof: Proof;
	/** The bytes were flushed to the remote disk. */
	readonly flushed?: boolean;
	/**
	 * True when this call certainly created the object, by a conditional write or an exclusive rename: it may be removed
	 * if it is found to be damaged.
	 */
	readonly created?: boolean;
};

export type RemoveResult = {
	readonly key: string;
	readonly error?: Error;
	/**
	 * Present with an error when the object may be gone. `confirmed`: the service confirmed the removal, but whether the
	 * object is gone could not be checked. `requested`: the answer to the request was not waited for.
	 */
	readonly unchecked?: 'confirmed' | 'requested';
	/**
	 * Why the service keeps the object in spite of the request, such as `locked until 2027-01-01T00:00:00Z`; not an
	 * error.
	 */
	readonly kept?: string;
	/** The version that was removed, if an older one may now be the current one. */
	readonly version?: string | undefined;
};

export type RemoveOptions = {
	readonly signal: AbortSignal;
	/** When it aborts, no further request is begun, and the keys that were not requested get an error. */
	readonly stop?: AbortSignal;
	/** Called when the service has confirmed a removal, so that it is known if the call fails later. */
	readonly onRemoved?: (result: RemoveResult) => void;
};

export type ListOptions = {readonly signal: AbortSignal; readonly after?: string};

export type GetOptions = {
	readonly signal: AbortSignal;
	readonly offset?: number;
	/**
	 * With `offset`: the version that `onVersion` received when the bytes before it were read. If the object is another
	 * one now, nothing is yielded and the error has the fault `replaced`.
	 */
	readonly version?: string | undefined;
	/**
	 * Called before the first byte with what identifies the stored bytes (an ETag, a generation, a size and time), or
	 * undefined if the service reports nothing of the kind.
	 */
	readonly onVersion?: (version: string | undefined) => void;
};

export type CleanupOptions = {
	readonly signal: AbortSignal;
	/** Milliseconds since the epoch: younger uploads may still be active. */
	readonly olderThan: number;
	/** Only uploads of these runs (six characters each), which are known to be dead, whatever their age. */
	readonly runs?: ReadonlySet<string>;
	/** Journals of uploads that will be resumed: their data is kept. */
	readonly keep?: readonly unknown[];
};

/** The context in which a store is opened, in addition to its own settings. */
export type OpenContext = {
	/** The environment, which may contain credentials. */
	readonly env: Environment;
	/** Aborts the opening; every operation has its own signal. */
	readonly signal: AbortSignal;
	/** Logs retries, refreshed credentials and similar events, without secrets. */
	readonly log: (level: 'debug' | 'info' | 'warn', text: string) => void;
	readonly clock?: Clock;
	/** Creates the HTTP clients, once; without it they are configured by `env` alone. */
	readonly http?: (onSocket: OpenContext['onSocket']) => Promise<HttpClients>;
	/** Milliseconds for which one operation is retried; 15 minutes by default. */
	readonly retryBudget?: number;
	/** Called with each connection that a store makes. */
	readonly onSocket?: ((socket: Socket) => void) | undefined;
	/** Milliseconds without a byte; 60 seconds by default. */
	readonly idleTimeout?: number;
	/** Six characters of the run, by which a later run finds the owner of unfinished files. */
	readonly run?: string;
};

/** A plain object with functions that do not use `this`, because decorators copy it. */
export type Storage = {
	/** s3, b2, gcs, azure, sftp, local or memory. */
	readonly kind: string;
	/** The location for people and logs, without secrets: `s3://bucket/`. */
	readonly location: string;
	/**
	 * Yields every object with a key that begins with `prefix`, in the order of the service. Pages are requested as they
	 * are consumed; a failed page throws, so the iteration never ends early without an error. `after` omits everything up
	 * to and including that key, to resume an interrupted listing.
	 */
	readonly list: (prefix: string, options: ListOptions) => AsyncIterable<StorageObject>;
	/** Uploads an object. Nothing is visible under `key` until it is complete. */
	readonly put: (key: string, source: PutSource, options: PutOptions) => Promise<PutResult>;
	/**
	 * Yields all bytes from `offset` (default 0) on, or throws. `isMissing` (errors.ts) recognizes the error for a
	 * missing key, `isReplaced` that for another version.
	 */
	readonly get: (key: string, options: GetOptions) => AsyncIterable<Uint8Array>;
	/** Returns undefined when there is no such object. */
	readonly stat: (key: string, options: {readonly signal: AbortSignal}) => Promise<ObjectInfo | undefined>;
	/**
	 * Removes objects, in batches if the service supports them. Returns one result for each key, in order; a missing key
	 * counts as removed. The answers of the service are enough here; `withConfirmedRemoval` checks them. Throws when
	 * `stop` aborts, between two requests; the decorator then returns a result for each key.
	 */
	readonly remove: (keys: readonly string[], options: RemoveOptions) => Promise<readonly RemoveResult[]>;
	/**
	 * Returns true when a retry cannot help: missing, forbidden, malformed, exists. Most stores use `isPermanentError`
	 * (errors.ts).
	 */
	readonly isPermanent: (error: unknown) => boolean;
	/** Aborts or removes unfinished uploads below `prefix`, according to the options. Returns their keys. */
	readonly cleanup?: (prefix: string, options: CleanupOptions) => Promise<readonly string[]>;
	/**
	 * True when the store itself aborts a connection without progress for `idleTimeout`. Needed if `onProgress` is called
	 * in steps that take longer than that on a slow line; all others are watched by the idle decorator.
	 */
	readonly watchesIdle?: boolean;
	/** True when a listing with `after` begins there; other stores read what comes before too. */
	readonly listsRanges?: boolean;
	/** Closes connections. May be called twice. */
	readonly close: () => Promise<void>;
};

/**
 * The kinds of stores with unfinished files next to the finished ones; the others remove them themselves, or when they
 * are told to.
 */
export const storesWithPartials: ReadonlySet<string> = new Set(['local', 'sftp']);
