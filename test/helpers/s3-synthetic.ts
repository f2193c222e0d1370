/** Objects that the test server pretends to contain: numbers instead of objects, so that a million of them take a megabyte. */

export type Listed = {readonly key: string; readonly size: number; readonly modified: number; readonly etag: string};

export type Synthetic = {
	/** Yields those whose key comes after `after`. */
	readonly after: (after: string) => Generator<Listed>;
	readonly remove: (key: string) => void;
};

const minute = 60_000;
const databases = 10;

/**
 * Creates dumps of ten databases, `synthetic/db0_<time>.dump` and so on, a minute apart in each; the newest is of `now`
 * (milliseconds since the epoch). Sorted by their keys.
 */
export function createSynthetic(count: number, now: number): Synthetic {
	const removed = new Uint8Array(count);
	const each = Math.ceil(count / databases);
	const newest = Math.floor(now / minute) * minute;
	const oldest = newest - (each - 1) * minute;
	let firstLeft = 0;
	const keyOf = (at: number) => {
		const time = new Date(oldest + (at % each) * minute).toISOString().replace('.000', '');
		return `synthetic/db${Math.floor(at / each)}_${time}.dump`;
	};
	const indexOf = (key: string) => {
		const [, database, time] = /^synthetic\/db(\d)_(.*)\.dump$/.exec(key) ?? [];
		return time === undefined ? undefined : Number(database) * each + (Date.parse(time) - oldest) / minute;
	};
	return {
		*after(key) {
			const index = indexOf(key);
			for (let at = Math.max(firstLeft, index === undefined ? 0 : index + 1); at < count; at++)
				if (removed[at] === 0) yield {key: keyOf(at), size: at + 1, modified: 1_700_000_000_000, etag: 'e'.repeat(32)};
		},
		remove(key) {
			const index = indexOf(key);
			if (index === undefined) return;
			removed[index] = 1;
			while (firstLeft < count && removed[firstLeft] === 1) firstLeft++;
		},
	};
}
