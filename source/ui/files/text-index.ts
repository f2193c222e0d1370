/** Finds the number of a text among millions without storing the texts: an open-addressing hash table of numbers and hashes. */
import {createColumn} from '../../lib/columns.js';

export type TextIndex = {
	readonly find: (text: string) => number | undefined;
	/** Returns the number of the text. A new text gets the number `index`. */
	readonly put: (text: string, index: number) => number;
};

/** `textOf` returns the text of a number that was added; it must not change. */
export function createTextIndex(textOf: (index: number) => string): TextIndex {
	/** Numbers plus one; 0 is a free slot. */
	let slots = new Uint32Array(1024);
	let count = 0;
	/** The table before it grew, and how many of its slots have been moved: moving all at once would block the event loop. */
	let old = new Uint32Array(0);
	let moved = 0;

	/** By number. */
	const hashes = createColumn('integer');

	/** Returns the slot of the text, else the free slot for it. */
	function slotOf(table: Uint32Array, text: string, hash: number): number {
		const mask = table.length - 1;
		let slot = hash & mask;
		for (;;) {
			const stored = table[slot] ?? 0;
			if (stored === 0 || (hashes.get(stored - 1) === hash && textOf(stored - 1) === text)) return slot;
			slot = (slot + 1) & mask;
		}
	}

	/** Moves some slots of the old table. It is empty long before the new one is half full. */
	function moveSome(): void {
		if (old.length === 0) return;
		const mask = slots.length - 1;
		for (const end = Math.min(moved + 16, old.length); moved < end; moved++) {
			const stored = old[moved] ?? 0;
			if (stored === 0) continue;
			let slot = hashes.get(stored - 1) & mask;
			while (slots[slot] !== 0 && slots[slot] !== stored) slot = (slot + 1) & mask;
			slots[slot] = stored;
		}
		if (moved === old.length) old = new Uint32Array(0);
	}

	function grow(): void {
		old = slots;
		moved = 0;
		slots = new Uint32Array(old.length * 2);
	}

	function find(text: string, hash: number): number | undefined {
		const stored = slots[slotOf(slots, text, hash)] || (old.length > 0 ? old[slotOf(old, text, hash)] : 0);
		return stored ? stored - 1 : undefined;
	}

	return {
		find: text => find(text, hashOf(text)),
		put(text, index) {
			const hash = hashOf(text);
			moveSome();
			const known = find(text, hash);
			if (known !== undefined) return known;
			hashes.set(index, hash);
			slots[slotOf(slots, text, hash)] = index + 1;
			if (++count * 2 > slots.length) grow();
			return index;
		},
	};
}

/** FNV-1a, with the bits mixed so that the low ones depend on all. */
function hashOf(text: string): number {
	let hash = 0x81_1c_9d_c5;
	for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01_00_01_93);
	hash ^= hash >>> 15;
	hash = Math.imul(hash, 0x2c_1b_3c_6d);
	return (hash ^ (hash >>> 13)) >>> 0;
}
