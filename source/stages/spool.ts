/** What a directory dump needs to leave this disk member by member (`spool_limit`). */

/** A complete member on this disk. */
export type SpooledMember = {
	readonly path: string;
	/** The path that it would have in the finished dump, which decides its key. */
	readonly finalPath: string;
	/** Bytes. */
	readonly size: number;
	readonly sha256: string | undefined;
};

export type Spool = {
	/** Bytes on this disk above which pg_dump is held. */
	readonly limit: number;
	/** Milliseconds that one hold may take without progress of an upload. */
	readonly longestHold: number;
	/** Uploads a member, and removes it here once its remote copy is proven. Rejects with the error of the dump. */
	readonly take: (member: SpooledMember) => Promise<void>;
	/** Names the table of contents, which is uploaded when everything else of the job is stored. */
	readonly takeLast: (member: SpooledMember) => void;
	/** Aborts the uploads. */
	readonly cancel: () => void;
	/** Returns the milliseconds for which no upload that has a slot made progress. */
	readonly stalledFor: () => number;
	readonly log: (level: 'info' | 'warn' | 'debug', text: string) => void;
};
