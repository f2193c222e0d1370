/** The vectors of C2SP's CCTV for age: verdict, error, and never a byte more than the reference releases. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {test} from 'node:test';
import {inflateSync} from 'node:zlib';
import * as cctv from 'cctv-age';
import {PgBackError} from '../../../source/core/errors.js';
import {createDearmor} from '../../../source/stages/age/armor.js';
import {createDecryptor} from '../../../source/stages/age/decrypt.js';
import {createSealer} from '../../../source/stages/age/sealer.js';
import {createNonces, openChunk, payloadKey, sealedChunkSize} from '../../../source/stages/age/stream.js';

const vectors = Object.entries(cctv as unknown as Record<string, Uint8Array>).map(([name, bytes]) =>
	parseVector(name, Buffer.from(bytes)),
);
const {signal} = new AbortController();

type Vector = ReturnType<typeof parseVector>;

function parseVector(name: string, bytes: Buffer) {
	const end = bytes.indexOf('\n\n');
	const fields = new Map<string, string[]>();
	for (const line of bytes.toString('latin1', 0, end).split('\n')) {
		const colon = line.indexOf(': ');
		const key = line.slice(0, colon);
		fields.set(key, [...(fields.get(key) ?? []), line.slice(colon + 2)]);
	}
	for (const key of fields.keys()) {
		assert.ok(
			['expect', 'payload', 'file key', 'identity', 'passphrase', 'armored', 'compressed', 'comment'].includes(key),
			key,
		);
	}
	const body = bytes.subarray(end + 2);
	return {
		name,
		expect: fields.get('expect')?.[0] ?? '',
		payload: fields.get('payload')?.[0],
		fileKey: Buffer.from(fields.get('file key')?.[0] ?? '', 'hex'),
		armored: fields.has('armored'),
		file: fields.has('compressed') ? inflateSync(body) : body,
		keys: {
			identities: fields.get('identity') ?? [],
			passphrases: (fields.get('passphrase') ?? []).map(one => Buffer.from(one)),
		},
	};
}

/** What our decryptor releases when it is fed in pieces of `size` bytes, and how it ends. */
async function decrypt(vector: Vector, size: number): Promise<{released: Buffer; error?: unknown}> {
	const decryptor = createDecryptor(vector.keys, signal);
	const released: Uint8Array[] = [];
	try {
		for (let start = 0; start < vector.file.length; start += size) {
			released.push(...(await decryptor.push(vector.file.subarray(start, start + size))));
		}
		released.push(...(await decryptor.final()));
		return {released: Buffer.concat(released)};
	} catch (error) {
		return {released: Buffer.concat(released), error};
	}
}

function dearmored({armored, file}: Vector): Buffer {
	if (!armored) return file;
	const dearmor = createDearmor();
	return Buffer.concat([dearmor.push(file), dearmor.end()]);
}

/** Nonce and sealed chunks, behind the header. */
function payloadOf(vector: Vector): {nonce: Buffer; sealed: Buffer} {
	const file = dearmored(vector);
	const start = file.indexOf('\n', file.indexOf('\n--- ') + 1) + 1;
	return {nonce: file.subarray(start, start + 16), sealed: file.subarray(start + 16)};
}

/** All chunks that are authentic in their place: what a reader may release at most. */
function releasable(vector: Vector): Buffer {
	const {nonce, sealed} = payloadOf(vector);
	if (nonce.length < 16) return Buffer.alloc(0);
	const key = payloadKey(vector.fileKey, nonce);
	const nonces = createNonces();
	const plain: Uint8Array[] = [];
	for (let start = 0; start < sealed.length; start += sealedChunkSize) {
		const chunk = sealed.subarray(start, start + sealedChunkSize);
		if (chunk.length < 16) break;
		const more = openChunk(key, nonces.peek(false), chunk);
		const last = more ? undefined : openChunk(key, nonces.peek(true), chunk);
		plain.push(more ?? last ?? Buffer.alloc(0));
		if (!more) break;
		nonces.advance();
	}
	return Buffer.concat(plain);
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('there are 143 vectors', () => assert.equal(vectors.length, 143));

for (const vector of vectors) {
	test(`${vector.name}: ${vector.expect}`, async () => {
		for (const size of [1 << 20, 7919]) {
			const {released, error} = await decrypt(vector, size);
			if (vector.expect === 'success') assert.ifError(error);
			else {
				assert.ok(error instanceof PgBackError, String(error));
				assert.equal(error.code, vector.expect === 'no match' ? 'WRONG_KEY' : 'CORRUPT', error.message);
			}
			if (released.length === 0 && vector.expect !== 'success') continue;
			if (sha256(released) === vector.payload) continue;
			// We may hold back what the reference releases before its error, but not release anything else.
			assert.notEqual(vector.expect, 'success');
			const most = releasable(vector);
			assert.equal(sha256(most), vector.payload);
			assert.deepEqual(most.subarray(0, released.length), released);
		}
	});
	if (vector.expect !== 'success') continue;
	test(`${vector.name}: the payload is sealed again to the same bytes`, async () => {
		const {released} = await decrypt(vector, 1 << 20);
		const {nonce, sealed} = payloadOf(vector);
		const sealer = createSealer(payloadKey(vector.fileKey, nonce));
		const again = [
			...sealer.update(released.subarray(0, 777)),
			...sealer.update(released.subarray(777)),
			...sealer.final(),
		];
		assert.ok(sealed.equals(Buffer.concat(again)));
	});
}
