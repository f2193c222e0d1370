import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {NewEvent} from '../../source/core/events.js';
import {runHook} from '../../source/stages/hook.js';

const signal = new AbortController().signal;
const env = {PATH: process.env['PATH'], WORD: 'from the environment'};

async function lines(words: readonly string[], more = {}): Promise<string[]> {
	const events: NewEvent[] = [];
	await runHook({words, label: 'pre-backup', env, signal, emit: event => events.push(event), ...more});
	return events.flatMap(event => (event.type === 'log' ? [`${event.level} ${event.text}`] : []));
}

test('its lines go to the log, of both streams, without blank ones', async () => {
	assert.deepEqual(await lines(['printf', 'a\n\n  \nb']), [
		"info running pre-backup command: printf $'a\\012\\012  \\012b'",
		'info pre-backup: a',
		'info pre-backup: b',
	]);
	assert.ok((await lines(['sh', '-c', 'echo "$WORD" >&2'])).includes('info pre-backup: from the environment'));
});

test('words are no shell: nothing is expanded', async () => {
	assert.ok((await lines(['echo', '$WORD', '`id`', '*', ''])).at(-1)?.startsWith('info pre-backup: $WORD `id` *'));
});

test('failures say how it ended', async () => {
	await assert.rejects(lines(['sh', '-c', 'echo why >&2; exit 4']), {
		code: 'HOOK_FAILED',
		message: 'hook command failed: exit status 4: why',
	});
	await assert.rejects(lines(['sh', '-c', 'kill -9 $$']), {message: /killed by SIGKILL/});
	await assert.rejects(lines(['/nonexistent/hook']), {code: 'HOOK_FAILED', message: /nonexistent/});
	await assert.rejects(lines([]), {code: 'HOOK_FAILED'});
});

test('is ended by the signal, and throws its reason', async () => {
	const abort = new AbortController();
	const running = lines(['sh', '-c', 'echo begun; exec sleep 100'], {
		signal: abort.signal,
		emit: (event: NewEvent) => {
			if (event.type === 'log' && event.text.endsWith('begun')) abort.abort(new Error('stop'));
		},
	});
	await assert.rejects(running, /stop/);
});
