import assert from 'node:assert/strict';
import {monitorEventLoopDelay} from 'node:perf_hooks';
import {test} from 'node:test';
import {setImmediate} from 'node:timers/promises';
import * as fc from 'fast-check';
import {CancelledError} from '../../../source/core/errors.js';
import {releaseMemory} from '../../../source/lib/release.js';
import {createDecryptor, decryptStream} from '../../../source/stages/age/decrypt.js';
import {createEncryptor, encryptStream} from '../../../source/stages/age/encrypt.js';
import {parseRecipients, passphraseEncryption} from '../../../source/stages/age/load-keys.js';
import {
	decryptAll,
	encryptAll,
	identityKeys,
	neverAborted,
	newPair,
	passphraseKeys,
	pieces,
	randomData,
} from './helpers.js';

test('round trips: any size, cut in any pieces', async () => {
	const pair = await newPair();
	const keys = parseRecipients([pair.recipient]);
	const size = fc.oneof(fc.nat(300_000), fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 262_144));
	await fc.assert(
		fc.asyncProperty(
			size,
			fc.integer({min: 500, max: 200_000}),
			fc.integer({min: 500, max: 200_000}),
			async (length, one, two) => {
				const plain = randomData(length);
				const encryptor = await createEncryptor(keys, neverAborted);
				const reused = Buffer.alloc(one); // the caller may use its buffer again
				const output = [encryptor.header];
				for (const piece of pieces(plain, one)) {
					reused.set(piece);
					output.push(...encryptor.update(reused.subarray(0, piece.length)));
				}
				const file = Buffer.concat([...output, ...encryptor.final()]);
				assert.equal(file.length, encryptor.encryptedSize(length));
				assert.ok(plain.equals(await decryptAll(file, identityKeys(pair.identity), two)));
			},
		),
		{numRuns: 60},
	);
});

test('what a file begins with is in memory of its own: with it, a message to a thread takes nothing else along', async () => {
	const {header} = await createEncryptor(parseRecipients([(await newPair()).recipient]), neverAborted);
	assert.equal(header.buffer.byteLength, header.byteLength);
});

test('small files, cut in small pieces', async () => {
	const pair = await newPair();
	const keys = parseRecipients([pair.recipient]);
	const piece = fc.integer({min: 1, max: 300});
	await fc.assert(
		fc.asyncProperty(fc.nat(2000), piece, piece, async (length, one, two) => {
			const plain = randomData(length);
			const file = await encryptAll(plain, keys, one);
			assert.ok(plain.equals(await decryptAll(file, identityKeys(pair.identity), two)));
		}),
	);
});

test('as streams, and no two files share key or nonce', async () => {
	const pair = await newPair();
	const plain = randomData(500_000);
	const source = async function* () {
		yield* pieces(plain, 70_000);
	};
	const collect = async (stream: AsyncIterable<Uint8Array>) => {
		const collected: Uint8Array[] = [];
		for await (const chunk of stream) collected.push(chunk);
		return Buffer.concat(collected);
	};
	const encrypt = () => collect(encryptStream(source(), parseRecipients([pair.recipient]), neverAborted));
	const [one, two] = [await encrypt(), await encrypt()];
	assert.notDeepEqual(one.subarray(-100), two.subarray(-100));
	const again = (async function* () {
		yield* pieces(one, 1234);
	})();
	assert.ok(plain.equals(await collect(decryptStream(again, identityKeys(pair.identity), neverAborted))));
});

test('memory that is given back does not come back in the data', async () => {
	const pair = await newPair();
	const plain = randomData(3_000_000);
	const encryptor = await createEncryptor(parseRecipients([pair.recipient]), neverAborted);
	const written = [Buffer.from(encryptor.header)];
	const write = (output: readonly Uint8Array[]) => {
		written.push(Buffer.concat(output));
		releaseMemory(output);
		assert.ok(output.every(one => one.length < 4096));
	};
	for (const piece of pieces(plain, 1 << 20)) write(encryptor.update(piece));
	write(encryptor.final());
	assert.ok(plain.equals(await decryptAll(Buffer.concat(written), identityKeys(pair.identity))));
	const part = plain.subarray(0, 100_000);
	releaseMemory([part]);
	assert.equal(part.length, 100_000, 'a view of other memory is left alone');
});

test('no stall: 64 MiB encrypted and decrypted, and scrypt, with the event loop free', async () => {
	const pair = await newPair();
	const mebibyte = randomData(1 << 20);
	const encryptor = await createEncryptor(parseRecipients([pair.recipient]), neverAborted);
	const decryptor = createDecryptor(identityKeys(pair.identity), neverAborted);
	await decryptor.push(encryptor.header);
	const delay = monitorEventLoopDelay({resolution: 1});
	// The time that one slice takes is what the loop cannot be free for; measured as processor time, since others share the machine.
	const slices: number[] = [];
	delay.enable();
	for (let index = 0; index < 64; index++) {
		const before = process.threadCpuUsage();
		const sealed = encryptor.update(mebibyte);
		for (const piece of sealed) releaseMemory(await decryptor.push(piece));
		const used = process.threadCpuUsage(before);
		slices.push((used.user + used.system) / 1000);
		await setImmediate();
	}
	slices.sort((a, b) => a - b);
	assert.ok(slices.at(-2)! < 50, `a slice took ${slices.at(-2)!.toFixed(1)} ms`);
	delay.reset();
	const started = {all: process.cpuUsage(), main: process.threadCpuUsage()};
	await encryptAll(mebibyte, passphraseEncryption('a'));
	const [all, main] = [process.cpuUsage(started.all), process.threadCpuUsage(started.main)];
	delay.disable();
	const share = (main.user + main.system) / (all.user + all.system);
	assert.ok(share < 0.5, `scrypt on the main thread: ${share.toFixed(2)} of the processor time`);
});

test('scrypt: one at a time, and a wait that ends when cancelled', async () => {
	const cancel = new AbortController();
	const order: string[] = [];
	const first = createEncryptor(passphraseEncryption('a'), neverAborted).then(
		encryptor => (order.push('first'), encryptor),
	);
	const second = createEncryptor(passphraseEncryption('a'), cancel.signal).catch((error: unknown) => {
		order.push('second');
		assert.ok(error instanceof CancelledError);
	});
	const third = createEncryptor(passphraseEncryption('a'), neverAborted).then(() => order.push('third'));
	cancel.abort(new CancelledError());
	await second;
	assert.deepEqual(order, ['second']);
	await Promise.all([first, third]);
	assert.deepEqual(order, ['second', 'first', 'third']);
	const file = Buffer.concat([(await first).header, ...(await first).final()]);
	assert.equal((await decryptAll(file, passphraseKeys('a'))).length, 0);
});

test('an aborted signal ends encryption and decryption', async () => {
	const signal = AbortSignal.abort(new CancelledError());
	const pair = await newPair();
	await assert.rejects(createEncryptor(parseRecipients([pair.recipient]), signal), CancelledError);
	await assert.rejects(createDecryptor(identityKeys(pair.identity), signal).push(Buffer.from('age')), CancelledError);
});
