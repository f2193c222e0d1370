/** The header of an age file, from its first bytes: what kind of key opens it, and whether a key that is there does. */
import {PgBackError} from '../../core/errors.js';
import {createDearmor, startsArmor} from './armor.js';
import {headerLength} from './header.js';

/** Reads as much of `source` as the header takes. Throws CORRUPT when that is no age file, and what `source` throws. */
export async function readHeader(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
	let dearmor: ReturnType<typeof createDearmor> | undefined;
	let head = Buffer.alloc(0);
	let isFirst = true;
	for await (const chunk of source) {
		if (chunk.length === 0) continue;
		if (isFirst && startsArmor(chunk[0] ?? 0)) dearmor = createDearmor();
		isFirst = false;
		head = Buffer.concat([head, dearmor ? dearmor.push(chunk) : chunk]);
		const length = headerLength(head);
		if (length !== undefined) return Uint8Array.from(head.subarray(0, length));
	}
	throw new PgBackError('CORRUPT', 'truncated within the age header');
}

/** True for a file that a passphrase opens, and no private key. */
export function needsPassphrase(header: Uint8Array): boolean {
	return /^-> scrypt /m.test(Buffer.from(header).toString('latin1'));
}
