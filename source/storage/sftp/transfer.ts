/** Reads and writes with many requests in flight, so that neither latency nor encryption delays them. */
import {untilAborted} from '../../lib/until-aborted.js';
import {StorageError} from '../errors.js';
import type {SourceReader} from '../source-reader.js';
import type {Session} from './connection.js';

/** Bytes in flight: twice the window of a session in OpenSSH. */
const inFlight = 4 * 1024 * 1024;
const page = 4096;

/**
 * Returns the largest request that the server accepts, in whole pages: fewer requests mean fewer responses. The rest of
 * 256 KiB holds the request's header, so that it fills eight SSH packets and does not start a ninth.
 */
export function requestSize({largestRequest}: Session): number {
	return largestRequest < page ? largestRequest : Math.min(largestRequest - (largestRequest % page), 63 * page);
}

/**
 * Writes all bytes of `filler` from `offset` on. `onConfirmed` receives the bytes that the server has confirmed without
 * a gap. Resolves to the size once all is confirmed. While one piece is encrypted the next is read; a buffer is reused
 * immediately, because ssh2 copies its input.
 */
export async function writePipelined(
	session: Session,
	handle: Buffer,
	filler: SourceReader,
	options: {
		readonly offset: number;
		readonly signal: AbortSignal;
		readonly onBytes?: (bytes: Uint8Array) => void;
		readonly onConfirmed: (bytes: number) => void;
	},
): Promise<number> {
	const size = requestSize(session);
	const most = Math.max(1, Math.floor(inFlight / size));
	const pending: {end: number; done: boolean}[] = [];
	let failure: Error | undefined;
	let wake = () => {};
	let at = options.offset;
	const settled = (one: {end: number; done: boolean}) => (error?: unknown) => {
		one.done = true;
		if (error) failure ??= error as Error;
		if (!failure) {
			let confirmed: number | undefined;
			while (pending[0]?.done) confirmed = pending.shift()?.end;
			if (confirmed !== undefined) options.onConfirmed(confirmed);
		}
		wake();
	};
	const until = (free: () => boolean): Promise<void> =>
		untilAborted(
			new Promise((resolve, reject) => {
				wake = () => {
					if (failure) reject(failure);
					else if (free()) resolve();
				};
				wake();
			}),
			options.signal,
		);
	const fill = (into: Buffer): Promise<number> => {
		const filled = filler.fill(into);
		filled.catch(() => undefined); // thrown when its turn comes
		return filled;
	};
	let buffer = Buffer.allocUnsafeSlow(size);
	let spare = Buffer.allocUnsafeSlow(size);
	let ahead = fill(buffer);
	for (;;) {
		await until(() => pending.length < most);
		const bytes = await ahead;
		if (bytes === 0) break;
		if (bytes === size) ahead = fill(spare);
		options.onBytes?.(buffer.subarray(0, bytes));
		const one = {end: at + bytes, done: false};
		pending.push(one);
		session.requests.write(handle, bytes === size ? buffer : buffer.subarray(0, bytes), at, settled(one));
		at += bytes;
		if (bytes < size) break;
		[buffer, spare] = [spare, buffer];
	}
	await until(() => pending.length === 0);
	return at;
}

/**
 * Yields the bytes of an open file from `offset` to its end. `size` is the size that the server reported: a file that is
 * shorter or longer is an error.
 */
export async function* readPipelined(
	session: Session,
	handle: Buffer,
	{offset, size, signal}: {readonly offset: number; readonly size: number; readonly signal: AbortSignal},
): AsyncGenerator<Buffer> {
	yield* readRange(session, handle, {offset, end: size, signal});
	const buffer = Buffer.allocUnsafeSlow(1);
	const bytes = await untilAborted(session.requests.read(handle, buffer, Math.max(offset, size)), signal);
	if (bytes > 0) throw new StorageError('corrupt', `the file is longer than the ${size} bytes that the server reports`);
}

/** Yields the bytes from `offset` to `end`. A shorter file is an error. */
export async function* readRange(
	session: Session,
	handle: Buffer,
	{offset, end, signal}: {readonly offset: number; readonly end: number; readonly signal: AbortSignal},
): AsyncGenerator<Buffer> {
	const size = requestSize(session);
	const most = Math.max(1, Math.floor(inFlight / size));
	const queue: Promise<Buffer>[] = [];
	const readAt = async (from: number, length: number): Promise<Buffer> => {
		const buffer = Buffer.allocUnsafeSlow(length);
		for (let filled = 0; filled < length;) {
			const bytes = await session.requests.read(handle, buffer.subarray(filled), from + filled);
			if (bytes === 0) throw new StorageError('corrupt', `the file ends after ${from + filled} of ${end} bytes`);
			filled += bytes;
		}
		return buffer;
	};
	let next = offset;
	const refill = () => {
		for (; queue.length < most && next < end; next += size) {
			const one = readAt(next, Math.min(size, end - next));
			one.catch(() => undefined); // thrown when its turn comes
			queue.push(one);
		}
	};
	for (refill(); queue.length > 0; refill()) {
		const [one] = queue;
		if (one) yield await untilAborted(one, signal);
		void queue.shift();
	}
}
