import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {describe, test} from 'node:test';
import {createFileStream, type FileStream, streamSink} from '../../source/stages/file-stream.js';

const {signal} = new AbortController();
const mebi = 1024 * 1024;

async function readAll(stream: FileStream): Promise<Buffer> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of stream.source().read(0, signal)) chunks.push(Buffer.from(chunk));
	return Buffer.concat(chunks);
}

const canRestart = (stream: FileStream) => stream.source().canRestart?.();
const newStream = () => createFileStream('/backups/a.dump', 'abc123');

describe('a file that is streamed', () => {
	test('returns every byte once, in order, for any sizes of pieces and reads', async () => {
		const stream = newStream();
		const bytes = randomBytes(9 * mebi + 17);
		const reading = readAll(stream);
		for (let at = 0, size = 1; at < bytes.length; at += size, size = Math.min(size * 3, 700_001))
			await stream.write([Buffer.from(bytes.subarray(at, at + size)), Buffer.alloc(0)]);
		stream.end(undefined);
		assert.deepEqual(await reading, bytes);
		assert.equal(stream.written, bytes.length);
	});

	test('the writer waits while too much is not read, and goes on when it is', async () => {
		const stream = newStream();
		let written = 0;
		const writing = (async () => {
			for (; written < 12; written++) await stream.write([Buffer.alloc(mebi)]);
			stream.end(undefined);
		})();
		await new Promise(resolve => setImmediate(resolve));
		assert.equal(written, 4, 'the fifth is in the buffer, and its writer waits');
		assert.equal((await readAll(stream)).length, 12 * mebi);
		await writing;
	});

	test('a small one can be read again, a large one cannot', async () => {
		const small = newStream();
		await small.write([Buffer.from('abc')]);
		small.end(undefined);
		assert.equal((await readAll(small)).toString(), 'abc');
		assert.equal((await readAll(small)).toString(), 'abc');
		assert.equal(canRestart(small), true);
		const large = newStream();
		await large.write([Buffer.alloc(2 * mebi)]);
		large.end(undefined);
		assert.equal(canRestart(large), true, 'nothing was read');
		await readAll(large);
		assert.equal(canRestart(large), false);
		await assert.rejects(readAll(large), {code: 'BUG'});
	});

	test('its failure reaches a reader and a writer that wait', async () => {
		const stream = newStream();
		const reading = assert.rejects(readAll(stream), /lost/);
		stream.fail(new Error('lost'));
		await reading;
		const full = newStream();
		const writing = assert.rejects(full.write([Buffer.alloc(5 * mebi)]), /refused/);
		full.fail(new Error('refused'));
		await writing;
		await assert.rejects(full.write([Buffer.alloc(1)]), /refused/);
	});

	test('a sink that is discarded fails the reader', async () => {
		const stream = newStream();
		const sink = streamSink(stream);
		const reading = assert.rejects(readAll(stream), /the dump failed/);
		await sink.discard();
		await reading;
	});
});
