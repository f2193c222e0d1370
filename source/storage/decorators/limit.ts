import {readChunks} from '../../lib/read-chunks.js';
import {createSemaphore, type Gate} from '../semaphore.js';
import type {GrowingBytes, PutOptions, PutSource, Storage} from '../storage.js';

/**
 * Limits concurrent uploads and downloads to `transfers`, a number or the slots that several storages share; the others wait in order. A slot is for bytes that are ready:
 * an upload with a growing source releases its slot whenever it has sent all available bytes, and as soon as a complete
 * one waits.
 */
export function withLimit(storage: Storage, transfers: number | Gate): Storage {
	const gate = typeof transfers === 'number' ? createSemaphore(transfers) : transfers;
	return {
		...storage,
		async put(key, source, options) {
			if (source.growing) return putGrowing(storage, gate, {key, source, growing: source.growing, options});
			options.onSlot?.(false);
			const leave = await gate.enter(options.signal, isComplete);
			options.onSlot?.(true);
			try {
				return await storage.put(key, source, options);
			} finally {
				options.onSlot?.(false);
				leave();
			}
		},
		async *get(key, options) {
			const leave = await gate.enter(options.signal, isComplete);
			try {
				yield* storage.get(key, options);
			} finally {
				leave();
			}
		},
	};
}

const isComplete = () => true;

type GrowingPut = {
	readonly key: string;
	readonly source: PutSource;
	readonly growing: GrowingBytes;
	readonly options: PutOptions;
};

async function putGrowing(storage: Storage, gate: Gate, {key, source, growing, options}: GrowingPut) {
	const turn = createTurn(gate, growing, options);
	options.onSlot?.(false);
	try {
		await turn.take(0, options.signal);
		return await storage.put(key, yieldingSource(source, turn), options);
	} finally {
		turn.leave();
	}
}

type Turn = {
	/** Resolves when a slot is held and there are bytes (or the end) after `offset`. */
	readonly take: (offset: number, signal: AbortSignal) => Promise<void>;
	readonly leave: () => void;
};

function createTurn(gate: Gate, growing: GrowingBytes, {signal: whole, onSlot}: PutOptions): Turn {
	// A part that is sent again is read while the next one is: both share one slot.
	let slot: Promise<() => void> | undefined;
	const leave = () => {
		const left = slot;
		if (left === undefined) return;
		slot = undefined;
		left.then(
			end => {
				onSlot?.(false);
				end();
			},
			() => undefined, // aborted in the queue: there is nothing to release
		);
	};
	const enter = async () => {
		const end = await gate.enter(whole, growing.isComplete);
		onSlot?.(true);
		return end;
	};
	return {
		leave,
		async take(offset, signal) {
			while (!growing.isReady(offset)) {
				leave();
				await growing.wait(offset, signal);
			}
			if (!growing.isComplete() && gate.isWanted()) leave();
			await (slot ??= enter());
		},
	};
}

function yieldingSource({growing: _growing, ...source}: PutSource, turn: Turn): PutSource {
	const {read, readInto} = source;
	if (readInto === undefined)
		return {
			...source,
			async *read(offset, signal) {
				let at = offset;
				await turn.take(at, signal);
				for await (const chunk of read(offset, signal)) {
					at += chunk.length;
					yield chunk;
					await turn.take(at, signal);
				}
			},
		};
	const withTurn: NonNullable<PutSource['readInto']> = async (target, offset, signal) => {
		await turn.take(offset, signal);
		return readInto(target, offset, signal);
	};
	return {...source, read: (offset, signal) => readChunks(withTurn, offset, signal), readInto: withTurn};
}
