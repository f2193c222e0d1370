/** Downloads an object, one version from the first byte to the last, and compares its checksum. */
import {CRC32C} from '@google-cloud/storage';
import {untilAborted} from '../../lib/until-aborted.js';
import {type Fault, replacedError, storageError} from '../errors.js';
import {createInterruptedDownloads} from '../interrupted-downloads.js';
import type {GetOptions} from '../storage.js';
import {type Bucket, objectUrl} from './client.js';
import {foreignAnswer} from './errors.js';
import {readIfThere} from './responses.js';

export type Downloads = (key: string, options: GetOptions) => AsyncGenerator<Uint8Array>;

/** Creates the downloads of a bucket, so that a download that resumes at an offset is still checked as a whole. */
export function createDownloads(bucket: Bucket): Downloads {
	const interrupted = createInterruptedDownloads(() => new CRC32C());
	return async function* download(key, {signal, offset = 0, version, onVersion}) {
		const where = {operation: 'download', key} as const;
		// Bytes that were yielded cannot be taken back, so damage found later is not retried.
		const failed = (fault: Fault, reason: string) =>
			storageError(fault, {...where, location: bucket.location}, reason, {exhausted: fault === 'corrupt'});
		const request = {url: objectUrl(bucket, key), also: [404]} as const;
		const found = await bucket.once(where, signal, request, answer => readIfThere(answer, bucket, key));
		if (!found) throw failed('missing', 'no such object');
		const {size, crc32c, generation} = found;
		const state = interrupted.resume(key, generation, {offset, version});
		if (state === 'replaced') throw replacedError(bucket.location, key);
		onVersion?.(generation);
		const crc = state === 'unknown' ? undefined : state;
		let at = offset;
		if (offset < size) {
			const stop = new AbortController();
			try {
				const body = await openBody(bucket, {key, generation, offset}, signal, stop.signal);
				for (;;) {
					// Each read has its own timeout; time spent in our consumer does not count.
					const {value, done} = await bucket.watched(where, signal, abortSignal =>
						untilAborted(body.read(), abortSignal),
					);
					if (done) break;
					if (at + value.length > size) throw failed('corrupt', `received more than ${size} bytes`);
					at += value.length;
					crc?.update(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
					yield value;
				}
			} finally {
				stop.abort();
				if (crc && at < size) interrupted.keep(key, {version: generation, at, checksum: crc});
			}
		}
		if (at < size) throw failed('network', `the download ended after ${at} of ${size} bytes`);
		if (crc && crc32c !== undefined && crc.toString() !== crc32c)
			throw failed('corrupt', `the crc32c of the received data is ${crc.toString()}, not ${crc32c}`);
	};
}

type Wanted = {readonly key: string; readonly generation: string | undefined; readonly offset: number};

/** `stop` ends the request; the caller aborts it after reading enough. */
async function openBody(bucket: Bucket, {key, generation, offset}: Wanted, signal: AbortSignal, stop: AbortSignal) {
	const url = objectUrl(bucket, key, `?alt=media${generation === undefined ? '' : `&generation=${generation}`}`);
	const headers: Record<string, string> = offset > 0 ? {range: `bytes=${offset}-`} : {};
	return bucket.watched({operation: 'download', key}, signal, async abortSignal => {
		const answer = await bucket.send({url, headers, streamed: true}, AbortSignal.any([abortSignal, stop]));
		const {body} = answer.response;
		if (answer.status !== (offset > 0 ? 206 : 200) || !body)
			throw foreignAnswer(answer.headers, `HTTP status ${answer.status}`);
		return (body as ReadableStream<Uint8Array>).getReader();
	});
}
