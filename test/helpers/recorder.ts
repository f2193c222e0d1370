/**
 * A -B directory with a pg_dump and a pg_dumpall that record how they were called, and may then do something else than
 * the real ones.
 */
import {chmodSync, existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {clientDirectory} from './cluster.js';
import {scratchDirectory} from './program.js';

export type Call = {
	readonly tool: string;
	readonly args: readonly string[];
	readonly environment: ReadonlyMap<string, string>;
};

export type Recorder = {
	/** For -B. */
	readonly directory: string;
	/** Calls so far, except those that only asked for the version. */
	readonly calls: () => readonly Call[];
};

/**
 * `scripts` contains shell lines by tool, run instead of the real tool; `$REAL` is its path and `"$@"` the arguments.
 */
export function recordingTools(scripts: Readonly<Partial<Record<'pg_dump' | 'pg_dumpall', string>>> = {}): Recorder {
	const directory = scratchDirectory('tools');
	const log = join(directory, 'calls');
	for (const tool of ['pg_dump', 'pg_dumpall'] as const) {
		const path = join(directory, tool);
		const real = join(clientDirectory(), tool);
		const script = scripts[tool] ?? 'exec "$REAL" "$@"';
		writeFileSync(
			path,
			`#!/bin/bash
REAL='${real}'
if [ "$1" = --version ]; then ${script.includes('VERSION') ? script : 'exec "$REAL" --version'}; exit; fi
{ printf '%s\\0' CALL ${tool} "$#" "$@"; env -0; } >"$0.$$"
exec 9>>'${log}'; flock 9; cat "$0.$$" >&9; exec 9>&-; rm "$0.$$"
${script}
`,
		);
		chmodSync(path, 0o755);
	}
	return {directory, calls: () => (existsSync(log) ? parseCalls(readFileSync(log, 'utf8')) : [])};
}

function parseCalls(text: string): Call[] {
	const words = text.split('\0').slice(0, -1);
	const calls: Call[] = [];
	for (let at = 0; at < words.length;) {
		const [, tool = '', count = '0'] = words.slice(at, at + 3);
		const args = words.slice(at + 3, at + 3 + Number(count));
		at += 3 + Number(count);
		const environment = new Map<string, string>();
		for (; at < words.length && words[at] !== 'CALL'; at++) {
			const [name = '', ...value] = (words[at] ?? '').split('=');
			environment.set(name, value.join('='));
		}
		calls.push({tool, args, environment});
	}
	return calls;
}
