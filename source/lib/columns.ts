/** A growing list of numbers in typed arrays: a million of them in a few megabytes. */
export type Column = {
	/** Returns 0 if nothing was set. */
	readonly get: (index: number) => number;
	readonly set: (index: number, value: number) => void;
};

/** Numbers are stored in blocks of this many: one array that doubles would be copied at once, and block the event loop. */
const blockBits = 13;
const blockLength = 1 << blockBits;
/** The first block grows to that length: there may be ten thousand short columns. */
const firstLength = 16;

const kinds = {float: Float64Array, integer: Uint32Array, short: Uint16Array, byte: Uint8Array} as const;

/** The numbers are 64-bit floating, or whole of 32, 16 or 8 bits. */
export function createColumn(kind: keyof typeof kinds): Column {
	const make = (length: number) => new kinds[kind](length);
	const blocks: ReturnType<typeof make>[] = [];

	function blockFor(index: number): ReturnType<typeof make> {
		const number = index >>> blockBits;
		while (blocks.length <= number) blocks.push(make(blocks.length === 0 && number === 0 ? firstLength : blockLength));
		const block = blocks[number] ?? make(blockLength);
		const needed = (index & (blockLength - 1)) + 1;
		if (block.length >= needed) return block;
		let {length} = block;
		while (length < needed) length *= 2;
		const larger = make(length);
		larger.set(block);
		blocks[number] = larger;
		return larger;
	}

	return {
		get: index => blocks[index >>> blockBits]?.[index & (blockLength - 1)] ?? 0,
		set(index, value) {
			blockFor(index)[index & (blockLength - 1)] = value;
		},
	};
}
