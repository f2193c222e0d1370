import assert from 'node:assert/strict';
import {test} from 'node:test';
import {InputWriter, startChild} from '../../source/process/child.js';

const {signal} = new AbortController();

test('what a child wrote is there for who begins to read when it has ended', async () => {
	for (const text of ['hello', 'x'.repeat(60_000)]) {
		const child = startChild({
			command: '/bin/sh',
			args: ['-c', `printf %s ${text}`],
			env: process.env,
			stdout: 'pipe',
			signal,
		});
		assert.equal((await child.done).exitCode, 0);
		const pieces: Buffer[] = [];
		for await (const piece of child.stdout ?? []) pieces.push(piece as Buffer);
		assert.equal(Buffer.concat(pieces).toString(), text);
	}
});

test('small pieces for a child wait for the next large one, and keep their order', async () => {
	const child = startChild({command: '/bin/cat', args: [], env: process.env, stdin: 'pipe', stdout: 'pipe', signal});
	const writer = new InputWriter(child.stdin ?? assert.fail('no standard input'));
	const sizes = [5, 70_000, 5, 5, 4096, 4095, 4095, 1, 200_000, 5];
	const pieces = sizes.map((size, index) => Buffer.alloc(size, index + 1));
	const expected = Buffer.concat(pieces);
	const writing = (async () => {
		for (const piece of pieces) {
			await writer.write(piece);
			piece.fill(0); // not used any more
		}
		writer.end();
	})();
	const got: Buffer[] = [];
	for await (const piece of child.stdout ?? []) got.push(piece as Buffer);
	await writing;
	assert.equal((await child.done).exitCode, 0);
	assert.ok(Buffer.concat(got).equals(expected));
});
