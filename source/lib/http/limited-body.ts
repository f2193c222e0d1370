/** Limits the response bodies that are kept in memory: a server may send without end. */
import {Readable} from 'node:stream';

/** Bytes. Pages of listings, which are the largest, have a few megabytes. */
export const largestBody = 64 << 20;

export const tooLarge = `a response of more than ${largestBody >> 20} MiB`;

export class BodyTooLarge extends Error {
	override readonly name = 'BodyTooLarge';

	constructor() {
		super(tooLarge);
	}
}

/** Returns the bytes of `body`, and ends it. Fails with what `tooMany` returns after `largestBody` bytes. */
export function limitedBody(body: Readable, tooMany: () => Error = () => new BodyTooLarge()): Readable {
	const limited = Readable.from(takeFrom(body, tooMany), {objectMode: false});
	limited.on('error', () => undefined); // thrown to the reader
	return limited;
}

async function* takeFrom(body: Readable, tooMany: () => Error): AsyncGenerator<Buffer> {
	let size = 0;
	for await (const chunk of body as AsyncIterable<Buffer>) {
		size += chunk.length;
		if (size > largestBody) throw tooMany();
		yield chunk;
	}
}
