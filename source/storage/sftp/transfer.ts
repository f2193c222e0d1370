/** Reads and writes with many requests in flight, so that neither distance nor encryption makes them wait for one another. */
import type {Session} from './connection.js';
import type {Filler} from '../fill.js';
import {untilAborted} from '../fill.js';
import {request, run} from './requests.js';

/** Bytes on the way at once: what a session's window holds at OpenSSH, twice. */
const inFlight = 4 * 1024 * 1024;
const page = 4096;

/**
 * The most that the server takes at once, in whole pages: the fewer requests, the fewer answers. What is left of 256 KiB holds the
 * request's own header, so that it fills eight packets of SSH and does not begin a ninth.
 */
export function requestSize({largestRequest}: Session): number {
	return largestRequest < page ? largestRequest : Math.min(largestRequest - (largestRequest % page), 63 * page);
}

/**
 * Writes everything that `filler` gives from `offset` on. `onConfirmed` gets the bytes that the server has confirmed without a
 * gap. Resolves with the size once all is confirmed. While one piece is encrypted the next is read; a buffer is used again at once:
 * ssh2 copies what it is given.
 */
export async function writePipelined(
	session: Session,
	handle: Buffer,
	filler: Filler,
	offset: number,
	options: {
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
	let at = offset;
	const settled = (one: {end: number; done: boolean}) => (error: Error | null | undefined) => {
		one.done = true;
		if (error) failure ??= error;
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
		filled.catch(() => undefined); // told when its turn comes
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
		session.sftp.write(handle, buffer, 0, bytes, at, settled(one));
		at += bytes;
		if (bytes < size) break;
		[buffer, spare] = [spare, buffer];
	}
	await until(() => pending.length === 0);
	return at;
}

/** The bytes of an open file from `offset` to `end`. An end that comes too early is an error. */
export async function* readPipelined(
	{sftp, ...session}: Session,
	handle: Buffer,
	offset: number,
	end: number,
	signal: AbortSignal,
): AsyncGenerator<Buffer> {
	const size = requestSize({sftp, ...session});
	const most = Math.max(1, Math.floor(inFlight / size));
	const queue: Promise<Buffer>[] = [];
	const readAt = async (from: number, length: number): Promise<Buffer> => {
		const buffer = Buffer.allocUnsafeSlow(length);
		for (let filled = 0; filled < length;) {
			filled += await request<number>(done =>
				sftp.read(handle, buffer, filled, length - filled, from + filled, (error, bytes) => {
					done(error ?? (bytes === 0 ? new Error('Connection lost') : undefined), bytes);
				}),
			);
		}
		return buffer;
	};
	let next = offset;
	const refill = () => {
		for (; queue.length < most && next < end; next += size) {
			const one = readAt(next, Math.min(size, end - next));
			one.catch(() => undefined); // told when its turn comes
			queue.push(one);
		}
	};
	for (refill(); queue.length > 0; refill()) {
		const [one] = queue;
		if (one) yield await untilAborted(one, signal);
		void queue.shift();
	}
}

/** Closes a handle; after a failure that is only a courtesy, and the first error is the one that counts. */
export async function closeQuietly({sftp, isOpen}: Session, handle: Buffer): Promise<void> {
	if (isOpen()) await run(done => sftp.close(handle, done)).catch(() => undefined);
}
