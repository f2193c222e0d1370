import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Decrypter} from 'age-encryption';
import {parseRecipients, tryRecipients} from '../../../source/stages/age/recipients.js';
import {x25519Header} from '../../../source/stages/age/x25519.js';
import {decryptAll, encryptAll, identityKeys, newPair, randomData, refusedAs} from './helpers.js';

test('the library opens our header with the key of each recipient', async () => {
	const pairs = await Promise.all([newPair(), newPair(), newPair()]);
	const header = x25519Header(pairs.map(pair => pair.recipient));
	assert.ok(header);
	for (const {identity} of pairs) {
		const decrypter = new Decrypter();
		decrypter.addIdentity(identity);
		assert.deepEqual(await decrypter.decryptHeader(header.headerText), new Uint8Array(header.fileKey));
	}
	const stranger = new Decrypter();
	stranger.addIdentity((await newPair()).identity);
	await assert.rejects(stranger.decryptHeader(header.headerText));
});

test('no two files share a file key, a share or a header', async () => {
	const {recipient} = await newPair();
	const headers = Array.from({length: 50}, () => x25519Header([recipient]));
	assert.equal(new Set(headers.map(one => Buffer.from(one?.fileKey ?? []).toString('hex'))).size, 50);
	assert.equal(new Set(headers.map(one => one?.headerText.toString().split('\n')[1])).size, 50);
});

test('a header that was changed is refused', async () => {
	const {identity, recipient} = await newPair();
	const file = await encryptAll(randomData(10), parseRecipients([recipient]));
	const other = await newPair();
	const stanza = x25519Header([other.recipient])?.headerText.toString().split('\n').slice(1, 3).join('\n') ?? '';
	const at = file.indexOf('\n---');
	const forged = Buffer.concat([file.subarray(0, at + 1), Buffer.from(`${stanza}\n`), file.subarray(at + 1)]);
	await assert.rejects(decryptAll(forged, identityKeys(identity)), refusedAs('CORRUPT'));
});

test('keys of other types are left to the library', async () => {
	const classic = (await newPair()).recipient;
	const quantum = (await newPair('post-quantum')).recipient;
	assert.equal(x25519Header([quantum]), undefined);
	assert.equal(x25519Header([classic, `age1tag1${'q'.repeat(58)}`]), undefined);
	assert.equal(x25519Header([]), undefined);
	const {identity, recipient} = await newPair('post-quantum');
	const plain = randomData(100);
	assert.ok(
		plain.equals(await decryptAll(await encryptAll(plain, parseRecipients([recipient])), identityKeys(identity))),
	);
});

test('a key that is no point of use is refused before the work starts', async () => {
	// The point of order one: 32 zero bytes.
	const zero = 'age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z';
	const keys = {recipients: [zero], postQuantum: false};
	assert.throws(() => x25519Header([zero]));
	await assert.rejects(tryRecipients(keys), refusedAs('CONFIG'));
});
