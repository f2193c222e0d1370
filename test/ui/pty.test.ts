/** The console in a real pseudo-terminal. */
import assert from 'node:assert/strict';
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import process from 'node:process';
import {after, before, describe, it} from 'node:test';
import {setTimeout as delay} from 'node:timers/promises';
import {threeDatabases, twelveDatabases} from '../helpers/recorded-databases.js';
import {makeRecording, toJsonLines} from '../helpers/recording.js';
import {consoleEntry, startPty} from './helpers/pty.js';

let directory = '';
const recorded = (name: string) => join(directory, name);
const slow = 30_000;

before(() => {
	directory = mkdtempSync(join(tmpdir(), 'pg_back-console-'));
	writeFileSync(recorded('three.jsonl'), toJsonLines(makeRecording({databases: threeDatabases})));
	writeFileSync(recorded('twelve.jsonl'), toJsonLines(makeRecording({databases: twelveDatabases})));
});

after(() => rmSync(directory, {recursive: true, force: true}));

async function until(condition: () => boolean, what: string, timeout = slow): Promise<void> {
	const end = performance.now() + timeout;
	while (!condition()) {
		if (performance.now() > end) throw new Error(`waited for ${what}`);
		await delay(50);
	}
}

describe('the console in a pseudo-terminal', {timeout: 240_000}, () => {
	it('keeps its place through every size and back', async () => {
		await using pty = startPty([...consoleEntry, recorded('twelve.jsonl'), '--speed', '0.5'], {columns: 120, rows: 40});
		await pty.waitFor(text => text.includes('dumping'), 'the run', slow);
		const sizes = [
			[100, 30],
			[80, 24],
			[60, 20],
			[40, 10],
			[30, 5],
			[40, 10],
			[60, 20],
			[80, 24],
			[100, 30],
			[120, 40],
		] as const;
		for (const [columns, rows] of sizes) {
			pty.become(columns, rows);
			const small = columns < 40;
			await pty.waitFor(
				() => {
					const lines = pty.lines();
					const first = lines[0] ?? '';
					return small
						? /^~?\d+%/.test(first) && lines.slice(1).every(line => line === '')
						: first.includes('1 Jobs') && (lines[rows - 1] ?? '').includes('q quit');
				},
				`${columns}x${rows}`,
				slow,
			);
			assert.equal(pty.lines().length, rows);
			assert.equal(pty.lines().filter(line => line.includes('1 Jobs')).length, small ? 0 : 1);
		}
		pty.type('q');
		await pty.waitFor(text => text.includes('"reason":"quit"'), 'the end', slow);
		assert.equal((await pty.exited).exitCode, 0);
		assert.equal(pty.isAlternate(), false);
		assert.equal(pty.isCursorHidden(), false);
	});

	it('goes on with the work when the terminal is hung up, and when it disappears', async () => {
		for (const how of ['SIGHUP', 'close'] as const) {
			const result = recorded(`hangup-${how}.json`);
			await using pty = startPty([...consoleEntry, recorded('three.jsonl'), '--speed', '12', '--result', result]);
			await pty.waitFor(text => text.includes('dumping'), 'the run', slow);
			if (how === 'SIGHUP') pty.kill('SIGHUP');
			else pty.close();
			await until(() => existsSync(result) && readFileSync(result, 'utf8') !== '', 'the end of the work');
			assert.deepEqual(JSON.parse(readFileSync(result, 'utf8')), {reason: 'hangup', finished: 'failed'});
		}
	});

	it('does not let a terminal that takes nothing stop the work', async () => {
		const result = recorded('hung.json');
		await using pty = startPty(
			[...consoleEntry, recorded('twelve.jsonl'), '--speed', '40', '--exit-when-done', '--result', result],
			{columns: 200, rows: 60},
		);
		await pty.waitFor(text => text.includes('dumping'), 'the run', slow);
		pty.hang(true);
		await until(
			() => existsSync(result) && readFileSync(result, 'utf8') !== '',
			'the end of the work with nobody reading',
		);
		assert.equal((JSON.parse(readFileSync(result, 'utf8')) as {finished: string}).finished, 'failed');
		pty.hang(false);
		await pty.exited;
	});

	it('leaves the terminal as it was on SIGTERM and on an exception', async () => {
		await using pty = startPty([...consoleEntry, recorded('three.jsonl'), '--speed', '0.1']);
		await pty.waitFor(text => text.includes('dumping'), 'the run', slow);
		assert.equal(pty.isAlternate(), true);
		pty.kill('SIGTERM');
		await pty.exited;
		await pty.settled();
		assert.equal(pty.isAlternate(), false);
		assert.equal(pty.isCursorHidden(), false);

		await using crashing = startPty([...consoleEntry, '--fake', '10', '--crash']);
		await crashing.waitFor(text => text.includes('q quit'), 'the screen', slow);
		crashing.type('2');
		assert.notEqual((await crashing.exited).exitCode, 0);
		await crashing.settled();
		assert.equal(crashing.isAlternate(), false);
		assert.equal(crashing.isCursorHidden(), false);
		assert.match(crashing.text(), /a bug/);
	});

	it('draws without colour, and in ASCII', async () => {
		await using plain = startPty([...consoleEntry, recorded('three.jsonl'), '--speed', '0.5', '--no-color', '--ascii']);
		await plain.waitFor(text => text.includes('dumping'), 'the run', slow);
		assert.match(plain.text(), /^[ -~\n]*$/);

		plain.type('/own');
		await plain.waitFor(text => text.includes('/own_'), 'where the next character goes', slow);
		assert.doesNotMatch(plain.bytes(), /\u001B\[[\d;]*m/);
		plain.type('\r');
		await plain.waitFor(text => text.includes('filter: own'), 'the filtered list', slow);
		plain.type('3');
		await plain.waitFor(text => text.includes(' 1 Jobs  2 Files [3 Logs]'), 'which screen it is', slow);
		plain.type('q');
		await plain.exited;

		await using coloured = startPty([...consoleEntry, recorded('three.jsonl'), '--speed', '0.5']);
		await coloured.waitFor(text => text.includes('dumping'), 'the run', slow);
		assert.match(coloured.bytes(), /\u001B\[36m/);
		assert.doesNotMatch(coloured.bytes(), /\u001B\[[34]8[;:]/, 'other colours than the 16 of the terminal');
		coloured.type('q');
		await coloured.exited;
	});

	it('shows a size where the terminal has none', async () => {
		await using pty = startPty([
			'/bin/sh',
			'-c',
			`stty rows 0 cols 0; exec "$@"`,
			'sh',
			...consoleEntry,
			recorded('three.jsonl'),
			'--speed',
			'0.5',
		]);
		await pty.waitFor(text => text.includes('dumping'), 'the run', slow);
		assert.ok(pty.lines()[23]?.includes('q quit'), pty.text());
		pty.type('q');
		await pty.exited;
	});

	it('is usable by keys that were typed before it was up', async () => {
		await using pty = startPty([...consoleEntry, '--fake', '5000']);
		pty.type('2');
		await pty.waitFor(text => text.includes('48 files in 3 runs'), 'the Files screen', slow);
		pty.type('\u001B[C');
		await pty.waitFor(text => text.includes('5 000 files in 313 runs'), 'the remote', slow);
		pty.type('\u001BOP');
		await pty.waitFor(text => text.includes('Everywhere'), 'F1', slow);
		pty.type('q');
		await pty.waitFor(text => text.includes('5 000 files'), 'the listing', slow);
		pty.type('\u001B[15~');
		await pty.waitFor(text => text.includes('5 000 files'), 'the listing after F5', slow);
		pty.type('q');
		assert.equal((await pty.exited).exitCode, 0);
	});

	it('takes every key once after L and back, and asks before one Ctrl-C cancels', async () => {
		await using pty = startPty([...consoleEntry, '--fake', '40', '--manual', '--working']);
		await pty.waitFor(text => text.includes('1 verifying'), 'the work', slow);
		// The lines of earlier visits are still on the normal screen.
		const toLog = async (visit: number) => {
			pty.type('L');
			const isThere = (text: string) => text.split('L returns to the screen').length === visit + 1;
			await pty.waitFor(isThere, 'the plain log', slow);
		};
		for (let visit = 1; visit <= 3; visit++) {
			await toLog(visit);
			pty.type('L');
			await pty.waitFor(text => text.includes('q quit'), 'the screen', slow);
		}
		pty.type('/');
		await pty.waitFor(text => text.includes('filter'), 'the filter', slow);
		for (const letter of 'abc') pty.type(letter);
		await pty.waitFor(text => text.includes('abc'), 'what was typed', slow);
		assert.doesNotMatch(pty.text(), /aa|bb|cc/);
		pty.type('\u001B');
		await pty.waitFor(text => !text.includes('abc'), 'the filter is gone', slow);
		pty.type('\u0003');
		await pty.waitFor(text => text.includes('cancel everything'), 'the question', slow);
		pty.type('b');
		await pty.waitFor(text => text.includes('1 verifying') && text.includes('q quit'), 'the screen', slow);
		// In the plain log Ctrl-C leads to the same question.
		await toLog(4);
		pty.type('\u0003');
		await pty.waitFor(text => text.includes('cancel everything'), 'the question', slow);
		pty.type('\u0003');
		await pty.waitFor(text => text.includes('"reason":"cancelled"'), 'the end', slow);
	});

	it('reads a marked paste as text, and switches the marks off in the end', async () => {
		await using pty = startPty([...consoleEntry, '--fake', '40']);
		await pty.waitFor(text => text.includes('q quit'), 'the screen', slow);
		assert.match(pty.bytes(), /\u001B\[\?2004h/);
		pty.type('\u001B[200~2q\r\u001B[201~');
		await pty.waitFor(text => text.includes('a paste is not a command'), 'the refusal', slow);
		pty.type('q');
		assert.equal((await pty.exited).exitCode, 0);
		await pty.settled();
		assert.match(pty.bytes(), /\u001B\[\?2004l(?:(?!\u001B\[\?2004h)[^])*$/);
	});

	it('gives the terminal back to the shell when it is stopped, and takes it again', async () => {
		await using pty = startPty(['/bin/bash', '--norc', '--noprofile', '-i'], {
			env: {PS1: 'shell> ', CONSOLE: consoleEntry.join(' ')},
		});
		const prompt = async (what: string) => pty.waitFor(text => /shell> *$/.test(text.trimEnd()), what, slow);
		await prompt('the shell');
		pty.type('$CONSOLE --fake 40 --manual --working\r');
		await pty.waitFor(text => text.includes('1 verifying'), 'the work', slow);
		for (const signal of ['SIGTSTP', 'SIGSTOP'] as const) {
			const child = readFileSync(`/proc/${pty.pid}/task/${pty.pid}/children`, 'utf8').trim();
			process.kill(Number(child), signal);
			await pty.waitFor(text => /Stopped/.test(text), signal, slow);
			assert.equal(pty.isAlternate(), signal === 'SIGSTOP', signal);
			pty.type('fg\r');
			await pty.waitFor(text => text.includes('1 verifying') && text.includes('q quit'), 'the screen again', slow);
			assert.equal(pty.isAlternate(), true);
			pty.type('3');
			await pty.waitFor(text => text.includes('following'), 'a key that counts', slow);
			pty.type('1');
			await pty.waitFor(text => text.includes('1 verifying') && text.includes('q quit'), 'the screen', slow);
		}
		pty.type('\u0003');
		await pty.waitFor(text => text.includes('cancel everything'), 'the question', slow);
		pty.type('c');
		await prompt('the shell in the end');
		assert.equal(pty.isAlternate(), false);
	});

	it('draws nothing in the background, and comes up when it is fetched', async () => {
		await using pty = startPty(['/bin/bash', '--norc', '--noprofile', '-i'], {
			env: {PS1: 'shell> ', CONSOLE: consoleEntry.join(' ')},
		});
		await pty.waitFor(text => text.includes('shell>'), 'the shell', slow);
		pty.type('$CONSOLE --fake 40 &\r');
		await pty.waitFor(text => /\[1\] \d+/.test(text), 'the job', slow);
		pty.type('sleep 3; echo still $((40+2))\r');
		await pty.waitFor(text => text.includes('still 42'), 'the shell works on', slow);
		assert.equal(pty.isAlternate(), false);
		assert.doesNotMatch(pty.text(), /q quit/);
		pty.type('fg\r');
		await pty.waitFor(text => text.includes('q quit'), 'the screen', slow);
		pty.type('q');
		await pty.waitFor(text => text.includes('"reason":"quit"'), 'the end', slow);
	});
});
