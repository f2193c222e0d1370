/** A file that was cut, changed or made longer is refused, and nothing unauthenticated leaves. */
import assert from 'node:assert/strict';
import {randomInt} from 'node:crypto';
import {before, test} from 'node:test';
import {armor} from 'age-encryption';
import {PgBackError} from '../../../source/core/errors.js';
import {createDecryptor} from '../../../source/stages/age/decrypt.js';
import {type DecryptionKeys, parseRecipients, passphraseEncryption} from '../../../source/stages/age/load-keys.js';
import {
	decryptAll,
	encryptAll,
	identityKeys,
	neverAborted,
	newPair,
	passphraseKeys,
	randomData,
	refusedAs,
} from './helpers.js';

const full = process.env['PG_BACK_FULL'] === '1';
const plain = randomData(200_000);
let file: Buffer;
let keys: DecryptionKeys;
let header: number;

before(async () => {
	const pair = await newPair();
	keys = identityKeys(pair.identity);
	file = await encryptAll(plain, parseRecipients([pair.recipient]));
	header = file.indexOf('\n', file.indexOf('\n--- ') + 1) + 1;
});

/** All places when PG_BACK_FULL=1, else the first 2 KiB, around the ends of chunks, the end, and every 997th. */
function places(length: number): number[] {
	const edges = [0, 1, 2, 3, 4].map(index => header + 16 + index * 65_552);
	const near = (place: number) =>
		place < 2048 || place > length - 20 || edges.some(edge => Math.abs(edge - place) <= 2);
	return Array.from({length}, (_, place) => place).filter(place => full || near(place) || place % 997 === 0);
}

/** Feeds `bytes`, and checks that whatever is released before the refusal is how the plaintext begins. */
async function refusal(bytes: Uint8Array): Promise<PgBackError> {
	const decryptor = createDecryptor(keys, neverAborted);
	let released = 0;
	const take = (output: readonly Uint8Array[]) => {
		for (const piece of output) {
			assert.equal(plain.compare(piece, 0, piece.length, released, released + piece.length), 0);
			released += piece.length;
		}
	};
	try {
		take(await decryptor.push(bytes.subarray(0, 100_000)));
		take(await decryptor.push(bytes.subarray(100_000)));
		take(await decryptor.final());
	} catch (error) {
		assert.ok(error instanceof PgBackError, String(error));
		return error;
	}
	throw new Error('not refused');
}

test('cut at any byte', async () => {
	for (const place of places(file.length)) {
		const error = await refusal(file.subarray(0, place));
		assert.equal(error.code, 'CORRUPT', `cut at ${place}: ${error.message}`);
	}
});

test('one bit changed at any byte', async () => {
	for (const place of places(file.length)) {
		const changed = Buffer.from(file);
		changed[place]! ^= 1 << randomInt(8);
		const error = await refusal(changed);
		// A stanza that was changed may look like one for another recipient.
		const codes = place < header ? ['CORRUPT', 'WRONG_KEY'] : ['CORRUPT'];
		assert.ok(codes.includes(error.code), `byte ${place}: ${error.message}`);
	}
});

test('bytes after the end', async () => {
	for (const more of [1, 16, 17, 65_552, 100_000]) {
		const error = await refusal(Buffer.concat([file, randomData(more)]));
		assert.equal(error.code, 'CORRUPT', error.message);
	}
	assert.match((await refusal(Buffer.concat([file, file]))).message, /damaged|after the end/);
});

test('chunks that are exchanged, dropped or repeated', async () => {
	const chunk = (index: number) => file.subarray(header + 16 + index * 65_552, header + 16 + (index + 1) * 65_552);
	const head = file.subarray(0, header + 16);
	for (const order of [
		[1, 0, 2, 3],
		[0, 2, 3],
		[0, 0, 1, 2, 3],
		[0, 1, 3],
		[0, 1, 2],
	]) {
		const error = await refusal(Buffer.concat([head, ...order.map(chunk)]));
		assert.equal(error.code, 'CORRUPT', `${order.join()}: ${error.message}`);
	}
});

test('a full last chunk: cut, and with bytes after it', async () => {
	const pair = await newPair();
	const whole = await encryptAll(plain.subarray(0, 131_072), parseRecipients([pair.recipient]));
	const decrypt = (bytes: Buffer) => decryptAll(bytes, identityKeys(pair.identity));
	assert.equal((await decrypt(whole)).length, 131_072);
	await assert.rejects(decrypt(whole.subarray(0, -65_552)), refusedAs('CORRUPT', /the end is missing/));
	await assert.rejects(decrypt(Buffer.concat([whole, Buffer.from('x')])), refusedAs('CORRUPT', /after the end/));
});

test('files that are not of age', async () => {
	for (const [bytes, message] of [
		['', /empty/],
		['PGDMP\u0001\u000e', /not an age file/],
		['\u001f\u008b', /not an age file/],
		['   ', /not an age file/],
		['\n\nselect 1;\n', /not an age file/],
		['-----BEGIN PGP MESSAGE-----\n', /not an age file/],
		['age-encryption.org/v2\n', /not an age file/],
		['age-encryption.org/v1', /truncated within/],
	] as const) {
		await assert.rejects(decryptAll(Buffer.from(bytes, 'latin1'), keys), refusedAs('CORRUPT', message), bytes);
	}
	const endless = Buffer.alloc(5 << 20, 'age-encryption.org/v1\n');
	await assert.rejects(decryptAll(endless, keys), refusedAs('CORRUPT', /no end|does not end|unterminated/));
});

test('armored files are read, in pieces of any size, and refused when cut', async () => {
	const armored = Buffer.from(armor.encode(file));
	for (const size of [37, 64, 65, 1000, 1 << 20]) assert.ok(plain.equals(await decryptAll(armored, keys, size)));
	assert.ok(
		plain.equals(await decryptAll(Buffer.from(` \r\n${armored.toString().replaceAll('\n', '\r\n')}\r\n `), keys)),
	);
	for (let place = 0; place < armored.length - 1; place += full ? 37 : 1013) {
		await assert.rejects(decryptAll(armored.subarray(0, place), keys), refusedAs('CORRUPT'), `cut at ${place}`);
	}
});

test('the wrong key, and the wrong kind of key', async () => {
	const other = await newPair();
	const locked = await encryptAll(plain, passphraseEncryption('a'));
	await assert.rejects(
		decryptAll(file, identityKeys(other.identity)),
		refusedAs('WRONG_KEY', /no private key matches/),
	);
	await assert.rejects(decryptAll(file, passphraseKeys('a')), refusedAs('WRONG_KEY', /no private key was given/));
	await assert.rejects(decryptAll(locked, keys), refusedAs('WRONG_KEY', /none was given/));
	await assert.rejects(decryptAll(locked, passphraseKeys('b')), refusedAs('WRONG_KEY', /wrong passphrase/));
	assert.ok(plain.equals(await decryptAll(locked, {...keys, passphrases: [Buffer.from('a')]})));
});
