/** Which files are one dump: by the beginning of their names, and by how they are stored. */
import type {ListedFile} from '../../core/handle.js';
import {createColumn} from './columns.js';
import {createTextIndex} from './text-index.js';
import {createWords} from './words.js';

type Named = Pick<ListedFile, 'key' | 'name'>;

export type Identities = {
	/** The dump that has a file like this; undefined for foreign names, none of which belong together. */
	readonly find: (file: Named) => number | undefined;
	/** Returns the dump that has a file like this, or else `dump`, of which it is the first file then. */
	readonly put: (file: Named, dump: number) => number;
	/** The time as the names of the dump have it; empty for foreign names. */
	readonly timeText: (dump: number) => string;
};

const ownSuffixes = new Set(['manifest.json', 'private.json', 'private.json.age', 'proven.json', 'pinned.json']);

/** True for manifests and their like, which belong to the run. */
export function isOwn(suffix: string): boolean {
	return ownSuffixes.has(suffix);
}

/** `keyOf` returns the key of the first file of a dump. */
export function createIdentities(keyOf: (dump: number) => string): Identities {
	/** By dump: how much of that key makes its identity, and what is added to that. */
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
 * What files of one dump have in common: the key up to the end of its time, and a word. A plain copy that was kept beside an encrypted
 * dump is a dump of its own; the members of a directory are not told apart by that.
 */
function baseOf({key, name}: Named): Base | undefined {
	if (name === undefined) return undefined;
	const whole = name.member === undefined ? key.length : key.length - name.member.length;
	const length = key.lastIndexOf(`_${name.timeText}.`, whole) + 1 + name.timeText.length;
	if (isOwn(name.suffix)) return {length, class: 'own'};
	return {length, class: name.suffix === 'd' ? 'directory' : name.encrypted ? 'encrypted' : 'plain'};
}
