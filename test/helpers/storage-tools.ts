import {compareUtf8} from '../../source/lib/compare-utf8.js';
import type {Clock} from '../../source/storage/clock.js';
import {bytesSource} from '../../source/storage/source.js';
import type {OpenContext, PutResult, Storage} from '../../source/storage/storage.js';

/** A signal that nobody aborts. */
export const never = new AbortController().signal;

/** The names that the suites of rclone and restic hold against back ends, and some of ours; each is one or more path segments. */
export const hostileKeys: readonly string[] = [
	' leading space',
	'trailing space ',
	'.hidden',
	'...',
	'-rf',
	'--option=value',
	'a b+c&d=e;f',
	'100%',
	'%46 not decoded',
	'%2e%2e',
	'plus+plus',
	'question?mark#hash',
	'quote\'s "double" `back`',
	'back\\slash',
	'star*[brackets]{braces}',
	'colon:pipe|less<more>',
	'dollar$HOME $(true)',
	'tilde~',
	'at@sign,comma',
	'nested/deeper/still/file',
	'd\u00E9j\u00E0 vu',
	'e\u0301 decomposed',
	'\u65E5\u672C\u8A9E',
	'\u{1F40B} whale',
	'\u202Eright to left',
	'zero\u200Bwidth',
	'tab\there',
	'line\nfeed',
	'carriage\rreturn',
	'bell\u0007',
	'escape\u001B[31mred',
	'delete\u007F',
	'c1\u009Bcontrol',
	'x'.repeat(200),
];

export function isSupportedOr(refuses: ((key: string) => boolean) | undefined, key: string): boolean {
	return !(refuses?.(key) ?? false);
}

export async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
	return Buffer.concat(await collect(chunks));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
	const all: T[] = [];
	for await (const item of items) all.push(item);
	return all;
}

/** Uploads `bytes` under `key`, with nothing else requested. */
export function putBytes(storage: Storage, key: string, bytes: Uint8Array): Promise<PutResult> {
	return storage.put(key, bytesSource(bytes), {signal: never});
}

/** Keys of files, sorted by their bytes. */
export async function listKeys(storage: Storage, prefix: string): Promise<string[]> {
	const objects = await collect(storage.list(prefix, {signal: never}));
	return objects
		.filter(object => !object.directory)
		.map(object => object.key)
		.toSorted(compareUtf8);
}

/** A context whose log lines are kept. */
export function testContext(more: Partial<OpenContext> = {}): OpenContext & {readonly lines: string[]} {
	const lines: string[] = [];
	return {env: {}, signal: never, log: (level, text) => lines.push(`${level}: ${text}`), ...more, lines};
}

/** A clock that advances only when a caller sleeps, and then immediately. */
export function fastClock(): Clock & {readonly slept: number[]} {
	let time = 0;
	const slept: number[] = [];
	return {
		slept,
		now: () => time,
		random: () => 0.5,
		async sleep(milliseconds, signal) {
			signal.throwIfAborted();
			slept.push(milliseconds);
			time += milliseconds;
			await Promise.resolve();
		},
	};
}
