/** Finds rows of a table by a number in them without storing the numbers again: an open-addressing hash table of rows. */
export type NumberIndex = {
	/** Returns the row with the number for which `is` returns true. */
	readonly find: (number: number, is: (row: number) => boolean) => number | undefined;
	readonly put: (row: number) => void;
};

/** `numberOf` returns the number of a row that was added, below 2^32; it must not change. */
export function createNumberIndex(numberOf: (row: number) => number): NumberIndex {
	/** Rows plus one; 0 is a free slot. */
	let slots = new Uint32Array(64);
	let count = 0;

	function insert(row: number): void {
		const mask = slots.length - 1;
		let slot = hashOf(numberOf(row)) & mask;
		while (slots[slot] !== 0) slot = (slot + 1) & mask;
		slots[slot] = row + 1;
	}

	return {
		find(number, is) {
			const mask = slots.length - 1;
			for (let slot = hashOf(number) & mask; ; slot = (slot + 1) & mask) {
				const stored = slots[slot] ?? 0;
				if (stored === 0) return undefined;
				if (numberOf(stored - 1) === number && is(stored - 1)) return stored - 1;
			}
		},
		put(row) {
			if (++count * 2 > slots.length) {
				const old = slots;
				slots = new Uint32Array(old.length * 2);
				for (const stored of old) if (stored !== 0) insert(stored - 1);
			}
			insert(row);
		},
	};
}

/** Mixes the bits so that the low ones depend on all. */
function hashOf(number: number): number {
	let hash = Math.imul(number ^ (number >>> 16), 0x45_d9_f3_b);
	hash = Math.imul(hash ^ (hash >>> 16), 0x45_d9_f3_b);
	return (hash ^ (hash >>> 16)) >>> 0;
}
