import {copyOf} from './packed-names.js';

/** Numbers for a few distinct texts, each of which is stored once. */
export type Words = {
	readonly add: (text: string) => number;
	readonly at: (number: number) => string;
};

export function createWords(): Words {
	const texts: string[] = [];
	const numbers = new Map<string, number>();
	return {
		add(text: string): number {
			const known = numbers.get(text);
			if (known !== undefined) return known;
			const copy = copyOf(text);
			numbers.set(copy, texts.length);
			return texts.push(copy) - 1;
		},
		at: (number: number) => texts[number] ?? '',
	};
}
