/** A growing list of numbers in typed arrays: a million of them in a few megabytes. */
export type Column = {
	/** Returns 0 if nothing was set. */
	readonly get: (index: number) => number;
	readonly set: (index: number, value: number) => void;
};

/** Numbers are stored in blocks of this many: one array that doubles would be copied at once, and block the event loop. */
const blockBits = 13;
const blockLength = 1 << blockBits;

export function createColumn(kind: 'float' | 'integer' | 'byte'): Column {
	const make = (): Float64Array | Uint32Array | Uint8Array =>
		kind === 'float'
			? new Float64Array(blockLength)
			: kind === 'integer'
				? new Uint32Array(blockLength)
				: new Uint8Array(blockLength);
	const blocks: ReturnType<typeof make>[] = [];
	return {
		get: index => blocks[index >>> blockBits]?.[index & (blockLength - 1)] ?? 0,
		set(index, value) {
			const block = index >>> blockBits;
			while (blocks.length <= block) blocks.push(make());
			(blocks[block] ??= make())[index & (blockLength - 1)] = value;
		},
	};
}
