/** Runs long work in slices, so that keys and dumps are handled while a million names are filtered and sorted. */
import {setImmediate} from 'node:timers/promises';

/** Milliseconds. */
const sliceLength = 8;

export type Slicer = {
	/** Must be awaited regularly: yields to other work when the slice is used up. Rejects when `signal` aborts. */
	readonly pause: () => Promise<void> | undefined;
};

export function createSlicer(signal: AbortSignal): Slicer {
	let end = performance.now() + sliceLength;
	const yieldNow = async () => {
		await setImmediate();
		signal.throwIfAborted();
		end = performance.now() + sliceLength;
	};
	return {pause: () => (performance.now() < end ? undefined : yieldNow())};
}

/** Rows between two checks of the clock. */
const step = 512;

/** Calls `act` for each row from 0 to `count`. */
export async function forEachRow(count: number, act: (row: number) => void, slicer: Slicer): Promise<void> {
	for (let row = 0; row < count; row++) {
		act(row);
		if (row % step === 0) await slicer.pause();
	}
}

/** Returns the matching rows from 0 to `count`, in order. */
export async function filterRows(
	count: number,
	passes: (row: number) => boolean,
	slicer: Slicer,
): Promise<Uint32Array> {
	const found = new Uint32Array(count);
	let length = 0;
	const take = (row: number) => {
		if (passes(row)) found[length++] = row;
	};
	await forEachRow(count, take, slicer);
	return found.subarray(0, length);
}

/** Sorts with a stable merge sort that yields to other work. Returns a new array. */
export async function sortRows(
	rows: Uint32Array,
	compare: (a: number, b: number) => number,
	slicer: Slicer,
): Promise<Uint32Array> {
	let from: Uint32Array = rows.slice();
	let to: Uint32Array = new Uint32Array(rows.length);
	const first = 64;
	for (let start = 0; start < from.length; start += first) {
		from.subarray(start, start + first).sort((a, b) => compare(a, b) || a - b);
		if (start % step === 0) await slicer.pause();
	}
	for (let width = first; width < from.length; width *= 2) {
		for (let start = 0; start < from.length; start += 2 * width) {
			const middle = Math.min(start + width, from.length);
			const end = Math.min(start + 2 * width, from.length);
			let left = start;
			let right = middle;
			// Listings often arrive sorted: sorted parts are only copied.
			if (middle >= end || compare(from[middle - 1] ?? 0, from[middle] ?? 0) <= 0) {
				to.set(from.subarray(start, end), start);
				await slicer.pause();
				continue;
			}
			for (let at = start; at < end; at++) {
				const takeLeft = left < middle && (right >= end || compare(from[left] ?? 0, from[right] ?? 0) <= 0);
				to[at] = (takeLeft ? from[left++] : from[right++]) ?? 0;
				if (at % step === 0) await slicer.pause();
			}
		}
		[from, to] = [to, from];
	}
	return from;
}
