/** What a test server stores instead of what it received. */
import {createHash} from 'node:crypto';

export const damages = ['truncate', 'flip', 'flipLast', 'append', 'empty', 'zero', 'stale'] as const;
export type Damage = (typeof damages)[number];

/** Other bytes; `stale`: those of another object of the same size. */
export function damaged(bytes: Buffer, how: Damage): Buffer {
	const copy = Buffer.from(bytes);
	switch (how) {
		case 'truncate':
			return bytes.subarray(0, -1);
		case 'append':
			return Buffer.concat([bytes, Buffer.from('x')]);
		case 'empty':
			return Buffer.alloc(0);
		case 'zero':
			return Buffer.alloc(bytes.length);
		case 'stale':
			return Buffer.alloc(bytes.length, 'an older object ');
		case 'flip':
			copy[0]! ^= 1;
			return copy;
		case 'flipLast':
			copy[copy.length - 1]! ^= 0x80;
			return copy;
	}
}

export function md5Hex(bytes: Uint8Array): string {
	return createHash('md5').update(bytes).digest('hex');
}

/** How services respond to a header or parameter that they do not know. */
export type Refusing = {
	/** A header (or query parameter) that is rejected, on some actions only when given. */
	readonly header: RegExp;
	readonly actions?: readonly string[];
	readonly status: number;
	readonly code?: string;
};
