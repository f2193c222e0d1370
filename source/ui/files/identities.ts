/** Determines which files belong to the same dump: by the beginning of their names, and by how they are stored. */
import type {ListedFile} from '../../core/handle.js';
import {createColumn} from '../../lib/columns.js';
import {createTextIndex} from './text-index.js';
import {createWords} from './words.js';

type Named = Pick<ListedFile, 'key' | 'name'>;

export type Identities = {
	/** Returns the dump that a file belongs to; undefined for foreign names, which never belong together. */
	readonly find: (file: Named) => number | undefined;
	/** Returns the dump that a file belongs to; `dump` for the first file of a new dump. */
	readonly put: (file: Named, dump: number) => number;
	/** Returns the time as written in the names of the dump; empty for foreign names. */
	readonly timeText: (dump: number) => string;
};

const ownSuffixes = new Set(['manifest.json', 'private.json', 'private.json.age', 'proven.json', 'pinned.json']);

/** Returns true for manifests and other files of a run. */
export function isOwn(suffix: string): boolean {
	return ownSuffixes.has(suffix);
}

/** `keyOf` returns the key of the first file of a dump. */
export function createIdentities(keyOf: (dump: number) => string): Identities {
	/** By dump: the length of the part of that key that identifies it, and the word after it. */
	const baseLength = createColumn('integer');
	const baseClass = createColumn('integer');
	const timeLength = createColumn('byte');
	const words = createWords();
	const textOf = (key: string, {length, class: word}: Base) => `${key.slice(0, length)}\n${word}`;
	const index = createTextIndex(dump =>
		textOf(keyOf(dump), {length: baseLength.get(dump), class: words.at(baseClass.get(dump))}),
	);
	return {
		find(file) {
			const base = baseOf(file);
			return base && index.find(textOf(file.key, base));
		},
		put(file, dump) {
			const base = baseOf(file);
			if (base === undefined) return dump;
			const known = index.put(textOf(file.key, base), dump);
			if (known !== dump) return known;
			baseLength.set(dump, base.length);
			baseClass.set(dump, words.add(base.class));
			timeLength.set(dump, file.name?.timeText.length ?? 0);
			return dump;
		},
		timeText(dump) {
			const end = baseLength.get(dump);
			return keyOf(dump).slice(end - timeLength.get(dump), end);
		},
	};
}

type Base = {readonly length: number; readonly class: string};

/**
 * Returns what the files of one dump have in common: the key up to the end of its time, and a word. A plain copy kept next to an encrypted
 * dump is a separate dump; for members of a directory this makes no difference.
 */
function baseOf({key, name}: Named): Base | undefined {
	if (name === undefined) return undefined;
	const whole = name.member === undefined ? key.length : key.length - name.member.length;
	const length = key.lastIndexOf(`_${name.timeText}.`, whole) + 1 + name.timeText.length;
	if (isOwn(name.suffix)) return {length, class: 'own'};
	return {length, class: name.suffix === 'd' ? 'directory' : name.encrypted ? 'encrypted' : 'plain'};
}
