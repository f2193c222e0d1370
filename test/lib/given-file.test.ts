import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {readGivenFile, readGivenFileSync} from '../../source/lib/given-file.js';

const {signal} = new AbortController();
const root = mkdtempSync('/tmp/pgb-given-');
after(() => rmSync(root, {recursive: true, force: true}));

function namedPipe(name: string): string {
	const path = join(root, name);
	execFileSync('mkfifo', [path]);
	return path;
}

test('a file is read to its end, and no further than the limit', async () => {
	const path = join(root, 'file');
	const bytes = Buffer.alloc(200_000, 'a line\n');
	writeFileSync(path, bytes);
	assert.deepEqual(await readGivenFile(path, {limit: 200_000, signal}), bytes);
	assert.deepEqual(readGivenFileSync(path, 200_000), bytes);
	await assert.rejects(readGivenFile(path, {limit: 199_999, signal}), {code: 'EFBIG'});
	assert.throws(() => readGivenFileSync(path, 199_999), {code: 'EFBIG'});
	assert.equal((await readGivenFile('/dev/null', {signal})).length, 0);
});

test('a device that never ends is refused', async () => {
	await assert.rejects(readGivenFile('/dev/zero', {signal}), {code: 'EFBIG', path: '/dev/zero'});
	assert.throws(() => readGivenFileSync('/dev/zero'), {code: 'EFBIG', path: '/dev/zero'});
});

test('a named pipe is read to its end, also if its writer comes later', async () => {
	const path = namedPipe('later');
	const read = readGivenFile(path, {signal, writerTimeout: 600_000});
	const writer = spawn('sh', ['-c', 'printf "one "; sleep 0.1; printf two'], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	const pipe = spawn('sh', ['-c', 'cat > "$0"', path], {stdio: [writer.stdout, 'inherit', 'inherit']});
	assert.equal((await read).toString(), 'one two');
	assert.equal(pipe.killed, false);
});

test('a named pipe without a writer is an error, and the wait for one ends with the signal', async () => {
	const path = namedPipe('silent');
	await assert.rejects(readGivenFile(path, {signal, writerTimeout: 1}), {code: 'EPIPE', path});
	const controller = new AbortController();
	const read = readGivenFile(path, {signal: controller.signal, writerTimeout: 600_000});
	controller.abort();
	await assert.rejects(read, {name: 'AbortError'});
});

test('the wait for a writer that writes nothing ends with the signal', async () => {
	const path = namedPipe('idle');
	const controller = new AbortController();
	const read = readGivenFile(path, {signal: controller.signal, writerTimeout: 600_000});
	const writer = spawn('sh', ['-c', 'exec 3> "$0"; echo open; exec sleep 600', path], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	await new Promise(resolve => writer.stdout.once('data', resolve));
	controller.abort();
	await assert.rejects(read, {name: 'AbortError'});
	writer.kill('SIGKILL');
});

test('a file that is read more than once cannot be a pipe', async () => {
	const path = namedPipe('twice');
	await assert.rejects(readGivenFile(path, {signal, refusesPipes: true}), {code: 'ESPIPE', path});
	assert.throws(() => readGivenFileSync(namedPipe('again')), {code: 'ESPIPE'});
});
