/** A listing of any length in little memory: names packed in blocks, numbers in typed arrays, runs as lists of rows. */
import {Buffer} from 'node:buffer';
import type {ListedFile} from '../../core/handle.js';

/** Files with the same run; the last group, with an empty id, holds the names that belong to none. */
export type RunGroup = {
	readonly id: string;
	/** What the names say of the time; empty for the group of foreign names. */
	timeText: string;
	/** Milliseconds since the epoch, of its first file; 0 for foreign names. */
	time: number;
	/** Rows of the table, checksum files not among them. */
	readonly files: number[];
	bytes: number;
	encrypted: number;
	/** Manifests and their like: about the run, in the clear whatever the dumps are. */
	own: number;
	/** Checksum files. */
	sums: number;
};

const namesPerBlock = 1024;

export type FileTable = {
	readonly count: () => number;
	readonly add: (file: ListedFile) => void;
	readonly key: (row: number) => string;
	readonly size: (row: number) => number;
	/** Milliseconds since the epoch, of the name or else of the last change; 0 where nothing is known. */
	readonly time: (row: number) => number;
	readonly run: (row: number) => number;
	readonly isEncrypted: (row: number) => boolean;
	readonly isChecksum: (row: number) => boolean;
	readonly runs: readonly RunGroup[];
	/** How many runs there are: foreign names are none. */
	readonly knownRuns: () => number;
	/** True while names have come in ascending order. */
	readonly isSorted: () => boolean;
};

const ownSuffixes = new Set(['manifest.json', 'private.json', 'private.json.age', 'proven.json']);
const encryptedFlag = 1;
const checksumFlag = 2;

export function createFileTable(): FileTable {
	let count = 0;
	let sorted = true;
	let lastKey = '';
	let sizes = new Float64Array(namesPerBlock);
	let times = new Float64Array(namesPerBlock);
	let runOf = new Uint32Array(namesPerBlock);
	let flags = new Uint8Array(namesPerBlock);
	const blocks: {readonly names: Buffer; readonly ends: Uint32Array}[] = [];
	let pending: string[] = [];
	const runs: RunGroup[] = [];
	const runByName = new Map<string, number>();

	function grow(): void {
		const length = sizes.length * 2;
		const larger = <A extends Float64Array | Uint32Array | Uint8Array>(next: A, before: A): A => {
			next.set(before);
			return next;
		};
		sizes = larger(new Float64Array(length), sizes);
		times = larger(new Float64Array(length), times);
		runOf = larger(new Uint32Array(length), runOf);
		flags = larger(new Uint8Array(length), flags);
	}

	function pack(): void {
		const ends = new Uint32Array(pending.length);
		let end = 0;
		for (const [index, key] of pending.entries()) {
			end += Buffer.byteLength(key);
			ends[index] = end;
		}
		blocks.push({names: Buffer.from(pending.join(''), 'utf8'), ends});
		pending = [];
	}

	function runIndex({run = '', name}: ListedFile): number {
		const found = runByName.get(run);
		if (found !== undefined) return found;
		// Copied: a part of a string keeps the whole of it in memory.
		const group = {
			id: copyOf(run),
			timeText: copyOf(name?.timeText ?? ''),
			time: run === '' ? 0 : (name?.time ?? 0),
			files: [],
			bytes: 0,
			encrypted: 0,
			own: 0,
			sums: 0,
		};
		runs.push(group);
		runByName.set(group.id, runs.length - 1);
		return runs.length - 1;
	}

	return {
		count: () => count,
		add(file) {
			if (count === sizes.length) grow();
			const {key, size, modified, name} = file;
			const run = runIndex(file);
			const group = runs[run];
			const isChecksum = name?.checksum !== undefined;
			sizes[count] = size;
			times[count] = name?.time ?? modified ?? 0;
			runOf[count] = run;
			flags[count] = (name?.encrypted ? encryptedFlag : 0) | (isChecksum ? checksumFlag : 0);
			if (group !== undefined) {
				if (name !== undefined && group.id !== '' && name.time < group.time) {
					group.time = name.time;
					group.timeText = copyOf(name.timeText);
				}
				if (isChecksum) group.sums++;
				else {
					group.files.push(count);
					group.bytes += size;
					if (ownSuffixes.has(name?.suffix ?? '')) group.own++;
					else if (name?.encrypted) group.encrypted++;
				}
			}
			sorted &&= lastKey <= key;
			lastKey = key;
			pending.push(key);
			if (pending.length === namesPerBlock) pack();
			count++;
		},
		key(row) {
			const block = blocks[Math.floor(row / namesPerBlock)];
			const index = row % namesPerBlock;
			if (block === undefined) return pending[index] ?? '';
			return block.names.toString('utf8', index === 0 ? 0 : block.ends[index - 1], block.ends[index]);
		},
		size: row => sizes[row] ?? 0,
		time: row => times[row] ?? 0,
		run: row => runOf[row] ?? 0,
		isEncrypted: row => ((flags[row] ?? 0) & encryptedFlag) !== 0,
		isChecksum: row => ((flags[row] ?? 0) & checksumFlag) !== 0,
		runs,
		knownRuns: () => runs.length - (runByName.has('') ? 1 : 0),
		isSorted: () => sorted,
	};
}

function copyOf(text: string): string {
	return Buffer.from(text, 'utf8').toString('utf8');
}
