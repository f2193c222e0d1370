/** gzip files that are written in pieces, judged by gzip(1) and by the zlib of Node.js. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {closeSync, mkdtempSync, openSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {gunzipSync, gzipSync} from 'node:zlib';
import fc from 'fast-check';
import {gunzipPieces, gzipBlocks, type GzipPiece} from '../../source/stages/gzip-pieces.js';

const base = mkdtempSync(join(tmpdir(), 'pgb-pieces-'));
after(() => rmSync(base, {recursive: true}));

/** A third of these bytes is left when they are compressed. */
const text = (size: number) =>
	Buffer.from(
		randomBytes(Math.ceil(size / 4))
			.toString('base64')
			.repeat(3),
	).subarray(0, size);
const kinds = {
	random: (size: number) => randomBytes(size),
	text,
	zeros: (size: number) => Buffer.alloc(size),
	/** All matches are in what precedes the block. */
	repeated: (size: number) =>
		Buffer.concat(Array.from({length: Math.ceil(size / pattern.length)}, () => pattern)).subarray(0, size),
};
const pattern = randomBytes(30_000);
const sizes = fc.oneof(fc.constantFrom(0, 1, 5, 32_767, 32_768, 32_769, 65_536, 1 << 20), fc.nat(200_000));
const block = fc.tuple(fc.constantFrom(...Object.values(kinds)), sizes).map(([make, size]) => make(size));

function pack(blocks: readonly Buffer[], level?: number): {packed: Buffer; pieces: readonly GzipPiece[]} {
	const written: Buffer[] = [];
	const pieces = gzipBlocks(blocks, level, bytes => written.push(Buffer.from(bytes)));
	return {packed: Buffer.concat(written), pieces};
}

function unpack(packed: Buffer, pieces: readonly GzipPiece[]): Buffer {
	const path = join(base, 'packed.gz');
	writeFileSync(path, packed);
	const descriptor = openSync(path, 'r');
	try {
		return Buffer.concat(Array.from(gunzipPieces(descriptor, pieces), piece => Buffer.from(piece)));
	} finally {
		closeSync(descriptor);
	}
}

/** By gzip(1), which reads every member of a file; `-t` warns of what follows them. */
function gunzip(packed: Buffer): Buffer {
	const path = join(base, 'judged.gz');
	writeFileSync(path, packed);
	execFileSync('gzip', ['-t', path], {stdio: ['ignore', 'ignore', 'pipe']});
	return execFileSync('gzip', ['-dc', path], {maxBuffer: 1 << 26});
}

test('blocks of any size and content are one gzip file, and are read back', () => {
	fc.assert(
		fc.property(fc.array(block, {maxLength: 5}), fc.constantFrom(undefined, 1, 6, 9), (blocks, level) => {
			const plain = Buffer.concat(blocks);
			const {packed, pieces} = pack(blocks, level);
			assert.ok(gunzip(packed).equals(plain));
			assert.ok(gunzipSync(packed).equals(plain));
			assert.ok(unpack(packed, pieces).equals(plain));
		}),
		{numRuns: 60},
	);
});

test('the pieces are about as small as the whole', () => {
	const blocks = Array.from({length: 4}, () => text(1 << 20));
	const whole = gzipSync(Buffer.concat(blocks)).length;
	assert.ok(pack(blocks).packed.length < whole * 1.01);
	// 4 x 1000 bytes that all occur in the first: only a window that passes from block to block finds them.
	const same = randomBytes(1000);
	assert.ok(pack([same, same, same, same]).packed.length < 1200);
});

test('a file with another bit is refused, unless it means the same', () => {
	const blocks = [text(700), Buffer.from('a'), randomBytes(300), text(500)];
	const plain = Buffer.concat(blocks);
	const {packed, pieces} = pack(blocks);
	let refused = 0;
	for (let bit = 0; bit < packed.length * 8; bit++) {
		const damaged = Buffer.from(packed);
		damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
		let read: Buffer | undefined;
		try {
			read = unpack(damaged, pieces);
		} catch {
			refused++;
			continue;
		}
		assert.ok(read.equals(plain), `bit ${bit}`);
		assert.ok(gunzipSync(damaged).equals(plain), `bit ${bit}`);
	}
	assert.ok(refused > packed.length * 8 * 0.98, `${refused} of ${packed.length * 8}`);
});

test('a file that ends before or behind its end is refused', () => {
	const {packed, pieces} = pack([text(700), text(40_000)]);
	for (const cut of [0, 5, 10, 200, packed.length - 9, packed.length - 8, packed.length - 1])
		assert.throws(() => unpack(packed.subarray(0, cut), pieces), Error, String(cut));
	for (const more of ['\0', 'x'.repeat(100)])
		assert.throws(() => unpack(Buffer.concat([packed, Buffer.from(more)]), pieces), /incorrect data check/);
});

test('a piece that ends the stream is refused: what follows it would never be restored', () => {
	const blocks = [text(700), text(700)];
	const {packed, pieces} = pack(blocks);
	const end = 10 + (pieces[0]?.packed ?? 0) - 5;
	assert.deepEqual(
		[...packed.subarray(end + 1, end + 5)],
		[0, 0, 255, 255],
		'the empty stored block that ends a piece',
	);
	// The first of the three bits before the padding marks the last block: one of these eight bits is it.
	const hidden = Array.from({length: 8}, (_, bit) => {
		const damaged = Buffer.from(packed);
		damaged[end] = (damaged[end] ?? 0) ^ (1 << bit);
		return damaged;
	});
	for (const damaged of hidden) {
		const judged = (() => {
			try {
				return gunzipSync(damaged).equals(Buffer.concat(blocks));
			} catch {
				return false;
			}
		})();
		if (judged) assert.ok(unpack(damaged, pieces).equals(Buffer.concat(blocks)));
		else assert.throws(() => unpack(damaged, pieces));
	}
});
