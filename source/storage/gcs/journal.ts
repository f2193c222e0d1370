/** The state that an interrupted upload needs to resume. It is read from a file, so everything in it is checked. */
import type {Bucket} from './client.js';
import {isOwnSession} from './session.js';

export type Journal = {
	readonly session: string;
	/** Stored in the metadata of the object, to recognize it as this upload's. */
	readonly upload: string;
	/** Bytes that the service had confirmed, and their checksum. */
	readonly bytes: number;
	readonly crc32c: string;
	/** Generation of a damaged object that this upload created and that could not be removed. */
	readonly damaged?: string;
};

/** Returns undefined when there is no journal, or none for this bucket and key. */
export function readJournal(bucket: Bucket, key: string, value: unknown): Journal | undefined {
	const journal = (value ?? {}) as Partial<Record<keyof Journal, unknown>>;
	const {session, upload, bytes, crc32c, damaged} = journal;
	if (typeof session !== 'string' || typeof crc32c !== 'string' || typeof upload !== 'string') return undefined;
	if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) return undefined;
	if (!isOwnSession(bucket, key, session)) {
		bucket.log('warn', `the recorded upload of ${key} does not exist at ${bucket.location}: starting again`);
		return undefined;
	}
	return {session, upload, bytes, crc32c, ...(typeof damaged === 'string' && {damaged})};
}
