/** The one interface to every place where files are kept. Decorators add retries, limits and dry runs; targets only talk. */

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
	 * source fails; the upload then fails too and leaves nothing visible.
	 */
	readonly read: (offset: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;
};

export type PutOptions = {
	readonly signal: AbortSignal;
	/** Stored beside the object where the service can; read after the last byte, so that a digest taken on the way fits. */
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

export type Storage = {
	/** s3, b2, gcs, azure, sftp, local or memory. */
	readonly kind: string;
	/** For people and logs, without secrets: `s3://bucket/`. */
	readonly location: string;
	/**
	 * Every object whose key begins with `prefix`, in the order of the service. Pages are fetched as they are consumed; a page
	 * that fails throws: the iteration never ends early in silence.
	 */
	readonly list: (prefix: string, options: {readonly signal: AbortSignal}) => AsyncIterable<StorageObject>;
	/** No object is visible under `key` unless it is whole. */
	readonly put: (key: string, source: PutSource, options: PutOptions) => Promise<PutResult>;
	/** The bytes from `offset` (default 0) on. A missing key is an error whose cause `isMissing`. */
	readonly get: (key: string, options: {readonly signal: AbortSignal; readonly offset?: number}) => AsyncIterable<Uint8Array>;
	/** Undefined when there is no such object. */
	readonly stat: (key: string, options: {readonly signal: AbortSignal}) => Promise<ObjectInfo | undefined>;
	/** In batches where the service has them. One result a key, in order; a key that is not there is removed already. */
	readonly remove: (keys: readonly string[], options: {readonly signal: AbortSignal}) => Promise<readonly RemoveResult[]>;
	/** True when trying again cannot help: missing, forbidden, malformed, exists. */
	readonly isPermanent: (error: unknown) => boolean;
	/** Aborts uploads that nobody will finish, older than `olderThan` (milliseconds since the epoch). Returns their keys. */
	readonly cleanup?: (
		prefix: string,
		options: {readonly signal: AbortSignal; readonly olderThan: number},
	) => Promise<readonly string[]>;
	/** May be called twice; ends connections. */
	readonly close: () => Promise<void>;
};
