import {untilAborted} from '../lib/until-aborted.js';
import {wrongSize} from './source.js';
import type {PutSource} from './storage.js';

/** Reads a source once, from an offset to its end, into the caller's buffers. */
export type SourceReader = {
	/** Returns the bytes of the source so far, including those before the offset. */
	readonly position: () => number;
	/**
	 * Fills `target`; returns fewer bytes only at the end. Throws when the source fails, has another length than it
	 * declared, or on abort.
	 */
	readonly fill: (target: Uint8Array) => Promise<number>;
	/**
	 * Returns true once the source has yielded all bytes that it declared, or has ended; throws when it has more than
	 * that.
	 */
	readonly ended: () => Promise<boolean>;
	readonly close: () => Promise<void>;
};

export function createSourceReader(source: PutSource, offset: number, signal: AbortSignal): SourceReader {
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
			// An iterator that is stuck in next() would never respond; its failure was already thrown, or is no longer
			// needed.
			if (running) ended?.catch(() => undefined);
			else await ended;
		},
	};
}
