import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {spawn as spawnTerminal} from '@lydell/node-pty';

const fixture = fileURLToPath(new URL('prompt-fixture.ts', import.meta.url));
const node = process.execPath;
const nodeArguments = ['--import', 'tsx', fixture];

/** A shell on a pseudo-terminal that runs the fixture and then says how the terminal is set. */
function onTerminal(script: string) {
	const terminal = spawnTerminal('/bin/sh', ['-c', script, 'sh', node, ...nodeArguments], {});
	let screen = '';
	const waiting: {readonly text: string; readonly resolve: () => void}[] = [];
	terminal.onData(text => {
		screen += text;
		for (const one of waiting) if (screen.includes(one.text)) one.resolve();
	});
	const ended = new Promise<number>(resolve => terminal.onExit(({exitCode}) => resolve(exitCode)));
	return {
		terminal,
		ended,
		screen: () => screen,
		shows: (text: string) =>
			new Promise<void>(resolve => {
				if (screen.includes(text)) resolve();
				else waiting.push({text, resolve});
			}),
	};
}

const showMode = 'stty -a | grep -oE "(^| )-?(echo|isig)( |$)"; echo over';

async function ask(keys: string, script = `"$@" </dev/null; ${showMode}`) {
	const one = onTerminal(script);
	await one.shows('passphrase: ');
	one.terminal.write(keys);
	await one.ended;
	return one.screen();
}

test('the secret is read from the terminal and not echoed, stdin being elsewhere', async () => {
	const screen = await ask('pa\u007fé ß\r');
	assert.match(screen, /secret: \["pé ß"\]/);
	assert.equal(screen.split('pé ß').length, 2, 'shown only by the fixture itself');
	assert.match(screen, /^ ?echo ?\r$/m);
	assert.match(screen, /^ ?isig ?\r$/m);
});

test('erasing the line, and a secret that comes with its newline in one piece', async () => {
	assert.match(await ask('wrong\u0015right\nmore'), /secret: \["right"\]/);
});

test('Ctrl-C and Ctrl-D cancel, and the terminal is as before', async () => {
	for (const key of ['\u0003', '\u0004']) {
		const screen = await ask(`half${key}`);
		assert.match(screen, /error: CANCELLED 130/);
		assert.doesNotMatch(screen, /half/);
		assert.match(screen, /^ ?echo ?\r$/m);
		assert.match(screen, /^ ?isig ?\r$/m);
	}
});

test('a signal ends it, and the terminal is as before', async () => {
	for (const [handling, result] of [
		['handled', /error: CANCELLED 143/],
		['default', /status 143/],
	] as const) {
		const one = onTerminal(`"$@" ${handling}; echo status $?; ${showMode}`);
		await one.shows('passphrase: ');
		const pid = Number(/pid (\d+)/.exec(one.screen())?.[1]);
		process.kill(pid, 'SIGTERM');
		await one.ended;
		assert.match(one.screen(), result);
		assert.match(one.screen(), /^ ?echo ?\r$/m);
		assert.match(one.screen(), /^ ?isig ?\r$/m);
	}
});

test('the terminal is closed', async () => {
	const directory = mkdtempSync(join(tmpdir(), 'pg_back-prompt-'));
	try {
		const one = onTerminal(`exec "$@" handled > '${directory}/out'`);
		await one.shows('passphrase: ');
		const pid = one.terminal.pid;
		(one.terminal as unknown as {destroy(): void}).destroy(); // closes our end: the kernel hangs up
		await one.ended;
		assert.throws(() => process.kill(pid, 0));
		assert.match(readFileSync(join(directory, 'out'), 'utf8'), /error: CANCELLED/);
	} finally {
		rmSync(directory, {recursive: true});
	}
});

test('without a terminal it is an error at once', async () => {
	const child = spawn(node, nodeArguments, {detached: true, stdio: ['ignore', 'pipe', 'inherit']});
	let text = '';
	child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
	await once(child, 'close');
	assert.match(text, /error: USAGE 2 no terminal to ask for the passphrase/);
});

test('in the background it is an error at once, not a stopped process', async () => {
	const one = onTerminal(`set -m; "$@" & wait $!; ${showMode}`);
	await one.ended;
	assert.match(one.screen(), /error: USAGE 2 cannot ask for the passphrase in the background/);
});
