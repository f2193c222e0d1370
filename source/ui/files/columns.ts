/** A growing list of numbers in a typed array: a million of them in a few megabytes. */
export type Column = {
	/** 0 where nothing was set. */
	readonly get: (index: number) => number;
	readonly set: (index: number, value: number) => void;
};

const firstLength = 1024;

export function createColumn(kind: 'float' | 'integer' | 'byte'): Column {
	const make = (length: number): Float64Array | Uint32Array | Uint8Array =>
		kind === 'float' ? new Float64Array(length) : kind === 'integer' ? new Uint32Array(length) : new Uint8Array(length);
	let values = make(firstLength);
	return {
		get: index => values[index] ?? 0,
		set(index, value) {
			if (index >= values.length) {
				const larger = make(Math.max(index + 1, values.length * 2));
				larger.set(values);
				values = larger;
			}
			values[index] = value;
		},
	};
}
