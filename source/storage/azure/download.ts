/** Downloads a blob, one version from the first byte to the last, and compares its Content-MD5 if it has one. */
import {createHash, type Hash} from 'node:crypto';
import {Readable} from 'node:stream';
import {type Fault, replacedError, storageError} from '../errors.js';
import {createInterruptedDownloads} from '../interrupted-downloads.js';
import type {GetOptions} from '../storage.js';
import type {Container} from './client.js';
import {foreignAnswer} from './errors.js';
import {inspect} from './inspect.js';

export type Downloads = (key: string, options: GetOptions) => AsyncGenerator<Uint8Array>;

/** Creates the downloads of a container, so that a download that resumes at an offset is still checked as a whole. */
export function createDownloads(container: Container): Downloads {
	const interrupted = createInterruptedDownloads<Hash>(() => createHash('md5'));
	return async function* download(key, {signal, offset = 0, version, onVersion}) {
		const where = {operation: 'download', key} as const;
		// Bytes that were yielded cannot be taken back, so damage found later is not retried.
		const failed = (fault: Fault, reason: string) =>
			storageError(fault, {...where, location: container.location}, reason, {exhausted: fault === 'corrupt'});
		const found = await inspect(container, key, 'download', signal);
		if (!found) throw failed('missing', 'no such object');
		const {size, etag, md5} = found;
		const state = interrupted.resume(key, etag, {offset, version});
		if (state === 'replaced') throw replacedError(container.location, key);
		onVersion?.(etag);
		const hash = state === 'unknown' ? undefined : state;
		let at = offset;
		if (offset < size) {
			const chunks = await openChunks(container, {key, etag, offset}, signal);
			try {
				for (;;) {
					const value = await chunks.next(signal);
					if (value === undefined) break;
					if (at + value.length > size) throw failed('corrupt', `received more than ${size} bytes`);
					at += value.length;
					hash?.update(value);
					yield value;
				}
			} finally {
				await chunks.close();
				if (hash && at < size) interrupted.keep(key, {version: etag, at, checksum: hash});
			}
		}
		if (at < size) throw failed('network', `the download ended after ${at} of ${size} bytes`);
		const computed = hash?.digest();
		if (computed && md5 && !computed.equals(md5))
			throw failed(
				'corrupt',
				`the md5 of the received data is ${computed.toString('hex')}, not ${md5.toString('hex')}`,
			);
	};
}

type Wanted = {readonly key: string; readonly etag: string | undefined; readonly offset: number};

/** Returns the body chunk by chunk, each within the idle time; undefined at its end. The caller closes it. */
async function openChunks({client, once}: Container, {key, etag, offset}: Wanted, signal: AbortSignal) {
	const where = {operation: 'download', key} as const;
	const body = await once(where, signal, async ({abortSignal}) => {
		const conditions = etag === undefined ? {} : {ifMatch: etag};
		const options = {abortSignal, conditions, maxRetryRequests: 0};
		const answer = await client.getBlobClient(key).download(offset, undefined, options);
		const {status, headers} = answer._response;
		const {readableStreamBody: stream} = answer;
		if (!(stream instanceof Readable) || (offset > 0 && status !== 206))
			throw foreignAnswer(headers.get('content-type'), `HTTP status ${status}`);
		return stream;
	});
	const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
	return {
		async next(outer: AbortSignal): Promise<Buffer | undefined> {
			return once(where, outer, async ({abortSignal}) => {
				const onAbort = () => body.destroy(abortSignal.reason as Error);
				abortSignal.addEventListener('abort', onAbort, {once: true});
				try {
					const next = await chunks.next();
					return next.done ? undefined : next.value;
				} finally {
					abortSignal.removeEventListener('abort', onAbort);
				}
			});
		},
		async close(): Promise<void> {
			await chunks.return?.();
		},
	};
}
