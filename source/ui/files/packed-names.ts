/** A compact list of names, packed as UTF-8 in blocks. */
import {Buffer} from 'node:buffer';

const namesPerBlock = 1024;

export type PackedNames = {
	readonly add: (name: string) => void;
	readonly at: (row: number) => string;
	/** True while all names have arrived in ascending order. */
	readonly isSorted: () => boolean;
};

export function createPackedNames(): PackedNames {
	const blocks: {readonly names: Buffer; readonly ends: Uint32Array}[] = [];
	let pending: string[] = [];
	let sorted = true;
	let last = '';

	function pack(): void {
		const ends = new Uint32Array(pending.length);
		let end = 0;
		for (const [index, name] of pending.entries()) {
			end += Buffer.byteLength(name);
			ends[index] = end;
		}
		blocks.push({names: Buffer.from(pending.join(''), 'utf8'), ends});
		pending = [];
	}

	return {
		add(name) {
			sorted &&= last <= name;
			last = name;
			pending.push(name);
			if (pending.length === namesPerBlock) pack();
		},
		at(row) {
			const block = blocks[Math.floor(row / namesPerBlock)];
			const index = row % namesPerBlock;
			if (block === undefined) return pending[index] ?? '';
			return block.names.toString('utf8', index === 0 ? 0 : block.ends[index - 1], block.ends[index]);
		},
		isSorted: () => sorted,
	};
}

/** Returns a copy: a substring keeps its whole string in memory. */
export function copyOf(text: string): string {
	return Buffer.from(text, 'utf8').toString('utf8');
}
