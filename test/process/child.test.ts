import assert from 'node:assert/strict';
import {test} from 'node:test';
import {startChild} from '../../source/process/child.js';

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
