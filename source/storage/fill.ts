import {wrongSize} from './source.js';
import type {PutSource} from './storage.js';

/** A source read once, from an offset to its end, into buffers of the target's own. */
export type Filler = {
	/** Bytes of the source until now, those before the offset included. */
	readonly position: () => number;
	/** Fills `target`; fewer bytes come only at the end. Throws when the source fails, is not as long as it said, or on abort. */
	readonly fill: (target: Uint8Array) => Promise<number>;
	/** True once the source has given all that it promised, or has ended; throws when it has more than it promised. */
	readonly ended: () => Promise<boolean>;
	readonly close: () => Promise<void>;
};

export function createFiller(source: PutSource, offset: number, signal: AbortSignal): Filler {
	const reading = source.readInto ? readInto(source.readInto, signal) : readChunks(source, offset, signal);
	const {size} = source;
	let position = offset;
	let ended = false;
	const next = async (target: Uint8Array): Promise<number> => {
		signal.throwIfAborted();
		if (ended || target.length === 0) return 0;
		const bytes = await reading.next(target, position);
		signal.throwIfAborted();
		position += bytes;
		ended = bytes === 0;
		if (size !== undefined && (position > size || (ended && position < size))) throw wrongSize(position, size);
		return bytes;
	};
	return {
		position: () => position,
		async fill(target) {
			let filled = 0;
			while (filled < target.length) {
				const bytes = await next(target.subarray(filled));
				if (bytes === 0) break;
				filled += bytes;
			}
			return filled;
		},
		async ended() {
			if (!ended && position === size) await next(Buffer.allocUnsafe(1));
			return ended;
		},
		close: reading.close,
	};
}

type Reading = {
	readonly next: (target: Uint8Array, position: number) => Promise<number>;
	readonly close: () => Promise<void>;
};

function readInto(read: NonNullable<PutSource['readInto']>, signal: AbortSignal): Reading {
	return {
		next: (target, position) => untilAborted(read(target, position, signal), signal),
		close: () => Promise.resolve(),
	};
}

function readChunks(source: PutSource, offset: number, signal: AbortSignal): Reading {
	const iterator = source.read(offset, signal)[Symbol.asyncIterator]();
	let rest = new Uint8Array();
	let running = false;
	return {
		async next(target) {
			while (rest.length === 0) {
				running = true;
				const chunk = await untilAborted(iterator.next(), signal);
				running = false;
				if (chunk.done) return 0;
				rest = chunk.value as Uint8Array<ArrayBuffer>;
			}
			const bytes = Math.min(rest.length, target.length);
			target.set(rest.subarray(0, bytes));
			rest = rest.subarray(bytes);
			return bytes;
		},
		async close() {
			const ended = iterator.return?.();
			// One that is stuck in next() would never answer; its failure has been told already, or is not wanted any more.
			if (running) ended?.catch(() => undefined);
			else await ended;
		},
	};
}

/** Waits for `promise` or for the abort, whose reason it then throws; what `promise` becomes later is ignored. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
	if (signal.aborted) promise.catch(() => undefined);
	signal.throwIfAborted();
	let onAbort: (() => void) | undefined;
	const aborted = new Promise<never>((_resolve, reject) => {
		onAbort = () => reject(signal.reason as Error);
		signal.addEventListener('abort', onAbort, {once: true});
	});
	try {
		return await Promise.race([promise, aborted]);
	} finally {
		if (onAbort) signal.removeEventListener('abort', onAbort);
	}
}
