/** Checks that the data of a table is complete, and counts its rows. */
import {PgBackError} from '../core/errors.js';

const newline = 0x0a;
/** Bytes; pg_dump ends the data of each table with `\.` and two empty lines. */
const longestEnd = 16;

/**
 * Passes the data of a table on. Throws CORRUPT at its end when the line is missing with which pg_dump ends a COPY.
 * `onRows` receives the number of rows; without it they are not counted.
 */
export async function* completeCopy(
	source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
	onRows?: (rows: number) => void,
): AsyncGenerator<Uint8Array> {
	let lines = 0;
	let tail = Buffer.alloc(0);
	for await (const chunk of source) {
		const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
		if (onRows) for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) lines++;
		tail = Buffer.concat([tail, bytes.subarray(-longestEnd)]).subarray(-longestEnd);
		yield chunk;
	}
	const [end] = /(?:^|\n)\\\.\n+$/.exec(tail.toString('latin1')) ?? [];
	if (end === undefined) throw new PgBackError('CORRUPT', 'truncated: the line that ends its rows is missing');
	onRows?.(lines - end.slice(end.indexOf('\\')).split('\n').length + 1);
}
