/** Malformed texts, each generated only from a seed and a number, so that every one can be reproduced. */
import {configKeys, longFlags} from '../../source/config/options.js';

const pieces = [
	...configKeys.keys(),
	...[...longFlags.keys()].map(name => `--${name}`),
	...Array.from('[]=:#;"\'`\\\n\r\t ,%@/?&()-+.0178\0\uFEFF\u2028\u001B\uD800'),
	...[
		'"""',
		'%(',
		')s',
		'%(jobs)s',
		'--',
		'🐘',
		'PGBK_',
		'PGBK_OPTS=',
		'SIGNATURE_ALGO=',
		'-F',
		'-j',
		'[::1]',
		'%2',
		'%00',
	],
	...[
		'postgresql://',
		'postgres://',
		'host',
		'password',
		'5432',
		'0x',
		'-1',
		'all',
		'true',
		'yes',
		'__proto__',
		'a',
		'E',
	],
];

/** Returns numbers from 0 to below 1: mulberry32, after Tommy Ettinger. */
export function randomNumbers(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** Returns the text with that number: random pieces, or one of `samples` (well-formed texts) with some mutations. */
export function makeText(seed: number, number: number, samples: readonly string[]): string {
	const random = randomNumbers(Math.imul(seed, 0x9e3779b1) ^ number);
	const below = (limit: number) => Math.floor(random() * limit);
	const some = () => Array.from({length: Math.floor(random() ** 3 * 400)}, () => pieces[below(pieces.length)]).join('');
	const sample = samples[below(samples.length)];
	const text = sample === undefined || random() < 0.5 ? some() : damage(sample, below);
	return random() < 0.01 ? text.repeat(100) : text;
}

function damage(sample: string, below: (limit: number) => number): string {
	let text = sample;
	for (let left = 1 + below(8); left > 0; left--) {
		const at = below(text.length + 1);
		const end = at + below(below(20) === 0 ? 2000 : 6);
		const changes = [
			'',
			pieces[below(pieces.length)] ?? '',
			text.slice(at, end).repeat(1 + below(3)),
			String.fromCharCode(below(0x100)),
			(pieces[below(pieces.length)] ?? '') + text.slice(at, end),
		];
		text = text.slice(0, at) + (changes[below(changes.length)] ?? '') + text.slice(end);
	}
	return text;
}

/** Returns the shortest text that still `fails`, found by omitting ever smaller parts; limited to this many tries. */
export async function shrink(
	text: string,
	fails: (text: string) => boolean | Promise<boolean>,
	tries: number,
): Promise<string> {
	let smallest = text;
	let left = tries;
	for (let size = Math.ceil(text.length / 2); size >= 1; size = Math.floor(size / 2)) {
		for (let at = 0; at < smallest.length && left > 0; left--) {
			const shorter = smallest.slice(0, at) + smallest.slice(at + size);
			if (await fails(shorter)) smallest = shorter;
			else at += size;
		}
	}
	return smallest;
}
