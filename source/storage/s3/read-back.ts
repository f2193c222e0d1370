import {crc32} from 'node:zlib';
import {releaseDisposable} from '../../lib/release.js';
import {StorageError} from '../errors.js';
import type {Bucket} from './client.js';
import {getObject} from './download.js';

/** A range of the object, with its CRC32. */
export type Piece = {readonly length: number; readonly crc32: number};

/** Reads an object and compares it, range by range, with what was sent. */
export async function holdsPieces(
	bucket: Bucket,
	key: string,
	pieces: readonly Piece[],
	signal: AbortSignal,
): Promise<boolean> {
	const left = pieces.filter(one => one.length > 0).values();
	let piece = left.next().value;
	let crc = 0;
	let done = 0;
	try {
		for await (const chunk of getObject(bucket, key, {signal})) {
			for (let at = 0; at < chunk.length;) {
				if (!piece) return false; // the object is longer
				const part = chunk.subarray(at, at + piece.length - done);
				crc = crc32(part, crc);
				done += part.length;
				at += part.length;
				if (done < piece.length) continue;
				if (crc !== piece.crc32) return false;
				piece = left.next().value;
				crc = 0;
				done = 0;
			}
			releaseDisposable(chunk);
		}
	} catch (error) {
		if (error instanceof StorageError && error.fault === 'corrupt') return false;
		throw error;
	}
	return piece === undefined;
}
