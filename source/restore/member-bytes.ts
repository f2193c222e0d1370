/** Reads members of a directory dump one after the other: decrypted, decompressed, and compared with the manifest. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {once} from '../lib/single-chunk.js';
import type {PlaceFile} from '../repository/place.js';
import {decompressed} from '../stages/read-dump.js';
import {dumpBytes, type DumpSource} from './dump-bytes.js';
import {compressionOf} from './dump-members.js';

/** Stored bytes of a member that is read in advance, and how many of them: each costs a round trip. */
const smallMember = 128 << 10;
const readAhead = 8;

/**
 * Returns a function that opens the file with an index. They must be opened in order; small ones are read in advance.
 * The bytes are decrypted, but not decompressed.
 */
export function openInOrder(
	source: DumpSource,
	files: readonly PlaceFile[],
	signal: AbortSignal,
	onBytes: (bytes: number) => void,
): (index: number) => AsyncIterable<Uint8Array> {
	const ahead = new Map<number, Promise<Uint8Array>>();
	let next = 0;
	return index => {
		for (; next < files.length && next <= index + readAhead; next++) {
			const file = files[next];
			if (!file || file.size > smallMember) continue;
			const bytes = wholeOf(dumpBytes(source, file.path, signal, onBytes));
			bytes.catch(() => undefined); // thrown when it is opened
			ahead.set(next, bytes);
		}
		const small = ahead.get(index);
		ahead.delete(index);
		return small ? delayed(small) : dumpBytes(source, files[index]?.path ?? '', signal, onBytes);
	};
}

async function* delayed(bytes: Promise<Uint8Array>): AsyncGenerator<Uint8Array> {
	yield* once(await bytes);
}

async function wholeOf(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of source) chunks.push(Buffer.from(chunk));
	return Buffer.concat(chunks);
}

/** Decompresses what Node.js can; pg_restore gets lz4 as it is. Errors name the member. */
export async function* plainMember(
	{path}: PlaceFile,
	source: AsyncIterable<Uint8Array>,
	check: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
	const compression = compressionOf({path});
	try {
		if (compression === 'lz4') yield* source;
		else yield* check(compression === 'none' ? source : decompressedIfAny(source, compression));
	} catch (error) {
		if (!(error instanceof PgBackError) || error.code !== 'CORRUPT' || error.message.includes(display(path)))
			throw error;
		const hint = error.hint === undefined ? {} : {hint: error.hint};
		throw new PgBackError('CORRUPT', `${display(path)}: ${error.message}`, {cause: error, ...hint});
	}
}

/** pg_dump writes an empty file for an empty large object, not one that holds no bytes when it is decompressed. */
async function* decompressedIfAny(
	source: AsyncIterable<Uint8Array>,
	kind: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array> {
	const chunks = source[Symbol.asyncIterator]();
	try {
		let first = await chunks.next();
		while (first.done !== true && first.value.length === 0) first = await chunks.next();
		if (first.done !== true) yield* decompressed(resumed(first.value, chunks), kind);
	} finally {
		await chunks.return?.();
	}
}

async function* resumed(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
	yield first;
	for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}
