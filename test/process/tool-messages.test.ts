/** What PostgreSQL tools write about names with line breaks, as one line for each message. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {startChild} from '../../source/process/child.js';
import {joinMessages} from '../../source/process/tool-messages.js';

function joined(text: string): string[] {
	const messages: string[] = [];
	const joiner = joinMessages(message => messages.push(message));
	for (const line of text.split('\n')) joiner.push(line);
	joiner.end();
	return messages;
}

test('a name with line breaks stays in its message', () => {
	assert.deepEqual(
		joined(
			`pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 215; 1259 16400 TABLE t
FATAL: evil app_owner
pg_restore: error: could not execute query: ERROR:  relation "t
FATAL: evil" already exists
Command was: CREATE TABLE public."t
FATAL: evil" (
    i integer
);


pg_restore: warning: errors ignored on restore: 1`,
		),
		[
			'pg_restore: while PROCESSING TOC:',
			'pg_restore: from TOC entry 215; 1259 16400 TABLE t\nFATAL: evil app_owner',
			'pg_restore: error: could not execute query: ERROR:  relation "t\nFATAL: evil" already exists',
			'Command was: CREATE TABLE public."t',
			'FATAL: evil" (',
			'    i integer',
			');',
			'',
			'',
			'pg_restore: warning: errors ignored on restore: 1',
		],
	);
});

test('details, positions and addresses keep lines of their own', () => {
	const texts = [
		'psql:<stdin>:12: ERROR:  syntax error at or near "x"\nLINE 1: select x x\n                 ^\nHINT:  none\nDETAIL:  none',
		'psql: error: connection to server at "h" (::1), port 1 failed: refused\n\tIs the server running?\nconnection to server at "h" (127.0.0.1), port 1 failed: refused',
		'/usr/bin/pg_dump: error: query failed: ERROR:  no\npg_dump: detail: Query was: SELECT a\nFROM b',
		'perl: warning: Setting locale failed.\npg_dump: error: no',
	];
	for (const text of texts) assert.deepEqual(joined(text), text.split('\n'));
});

test('a message is passed on while its tool is still running, and the last one at its end', async () => {
	const lines: string[] = [];
	const {promise, resolve} = Promise.withResolvers<undefined>();
	const child = startChild({
		command: '/bin/sh',
		args: ['-c', `printf 'pg_dump: warning: table "a\\nb"\\n' >&2; read -r _; printf 'pg_dump: error: "c\\nd"\\n' >&2`],
		env: process.env,
		stdin: 'pipe',
		stderr: 'messages',
		signal: new AbortController().signal,
		onLine(line) {
			lines.push(line);
			resolve(undefined);
		},
	});
	await promise;
	assert.deepEqual(lines, ['pg_dump: warning: table "a\nb"']);
	child.stdin?.end();
	const {stderr} = await child.done;
	assert.deepEqual(stderr, ['pg_dump: warning: table "a\nb"', 'pg_dump: error: "c\nd"']);
	assert.deepEqual(lines, stderr);
});
