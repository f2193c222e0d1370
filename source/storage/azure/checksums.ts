/** The checksums that the service computes from a request's body and returns. */
import {createHash} from 'node:crypto';
import type {Comparison, StoredAlgorithm} from '../proof.js';
import {crc64} from './crc64.js';

/** Checksums in the response to Put Blob and Put Block; without any, nothing is known. */
export type AnsweredChecksums = {
	readonly contentMD5?: Uint8Array;
	readonly xMsContentCrc64?: Uint8Array;
};

export function md5Of(bytes: Uint8Array): Buffer {
	return createHash('md5').update(bytes).digest();
}

/**
 * Compares the returned checksums with those of `bytes`; `of` names the part, such as `block 3`. Returns an empty list
 * when none was returned.
 */
export function compareAnswer(
	bytes: Uint8Array,
	md5: Buffer,
	{contentMD5, xMsContentCrc64}: AnsweredChecksums,
	of?: string,
): Comparison[] {
	const pairs: [StoredAlgorithm, Buffer, Uint8Array][] = [];
	if (contentMD5 && contentMD5.length > 0) pairs.push(['md5', md5, contentMD5]);
	if (xMsContentCrc64 && xMsContentCrc64.length > 0) pairs.push(['crc64', crc64(bytes), xMsContentCrc64]);
	return pairs.map(([algorithm, sent, stored]) => ({
		algorithm,
		from: 'checksum',
		sent: sent.toString('hex'),
		stored: Buffer.from(stored).toString('hex'),
		...(of !== undefined && {of}),
	}));
}
