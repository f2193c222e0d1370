/** The state that an interrupted upload needs to resume. It is read from a file, so everything in it is checked. */
import {largestBlock} from './blocks.js';

export type Journal = {
	/** Identifies the upload in the metadata of its blob and in the names of its blocks. */
	readonly upload: string;
	/** Bytes of the first blocks. */
	readonly base: number;
	/** ETag of a damaged blob that this upload created and that could not be removed. */
	readonly damaged?: string;
};

export function readJournal(value: unknown): Journal | undefined {
	const {upload, base, damaged} = (value ?? {}) as Partial<Record<keyof Journal, unknown>>;
	if (typeof upload !== 'string' || !/^[0-9a-f]{8,16}$/.test(upload)) return undefined;
	if (typeof base !== 'number' || !Number.isSafeInteger(base) || base <= 0 || base > largestBlock) return undefined;
	return {upload, base, ...(typeof damaged === 'string' && {damaged})};
}
