import assert from 'node:assert/strict';
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, existsSync, mkdtempSync, readdirSync, readlinkSync, readSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {makeAnonymous, makeNamed, preparePipes, takePipe} from '../../source/process/pipes.js';

const env = {PATH: process.env['PATH']};

/** What a child writes comes out at the other end, and its end is the end. */
async function assertCarries(kind: RegExp): Promise<void> {
	const {readable, writable} = await takePipe(env);
	assert.match(readlinkSync(`/proc/self/fd/${readable}`), kind);
	const child = spawn('printf', ['%s', 'through'], {stdio: ['ignore', writable, 'ignore']});
	closeSync(writable);
	await once(child, 'exit');
	const buffer = Buffer.alloc(100);
	assert.equal(buffer.toString('latin1', 0, readSync(readable, buffer)), 'through');
	assert.equal(readSync(readable, buffer), 0);
	closeSync(readable);
}

test('pipes have no name, so nothing that looks at files sees what goes through them', async () => {
	assert.equal(await makeAnonymous(env), true);
	for (let taken = 0; taken < 4; taken++) await assertCarries(/^pipe:/);
});

test('the shell reads no startup files', async () => {
	const home = mkdtempSync(join(tmpdir(), 'pgb-home-'));
	try {
		for (const name of ['.bashrc', '.bash_profile', '.profile'])
			writeFileSync(join(home, name), `: > ${home}/was-read\n`);
		const bash = spawnSync('bash', ['-c', ':'], {env: {...env, HOME: home}, stdio: ['pipe', 'ignore', 'ignore']});
		assert.equal(bash.status, 0);
		assert.ok(existsSync(join(home, 'was-read')), 'as bash does by itself');
		rmSync(join(home, 'was-read'));
		assert.equal(await makeAnonymous({...env, HOME: home}), true);
		assert.ok(!existsSync(join(home, 'was-read')));
	} finally {
		rmSync(home, {recursive: true});
	}
});

test('more are made when they are used up', async () => {
	for (let taken = 0; taken < 20; taken++) await assertCarries(/^pipe:/);
});

test('what is ready is enough: a process that makes backup after backup does not gather them', async () => {
	const open = () => readdirSync('/proc/self/fd').length;
	const {readable, writable} = await takePipe(env); // others are ready now
	closeSync(readable);
	closeSync(writable);
	const before = open();
	for (let run = 0; run < 3; run++) preparePipes(env);
	assert.equal(open(), before, 'none is being made');
});

test('without bash they have names, for a moment', async () => {
	assert.equal(await makeAnonymous({PATH: '/nonexistent'}), false);
	await makeNamed(env);
	await assertCarries(/^\/.*\(deleted\)$/);
});

test('with neither the error says what is missing', async () => {
	await assert.rejects(makeNamed({PATH: '/nonexistent'}), /mkfifo/);
});
