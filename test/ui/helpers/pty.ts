/** A program in a real pseudo-terminal, its screen read through an emulator. */
import {fileURLToPath} from 'node:url';
import {type IPty, spawn} from '@lydell/node-pty';
import {assertUnbroken, createScreen, type Screen} from './screen.js';

export type PtyOptions = {
	readonly columns?: number;
	readonly rows?: number;
	readonly env?: Readonly<Record<string, string>>;
	readonly cwd?: string;
};

export type PtyProgram = Screen & {
	readonly pid: number;
	readonly type: (text: string) => void;
	readonly become: (columns: number, rows: number) => void;
	readonly kill: (signal: NodeJS.Signals) => void;
	/** Stops reading what the program writes, or reads on: a terminal that hangs. */
	readonly hang: (on: boolean) => void;
	/** Closes the terminal under the program, as a lost SSH connection does. */
	readonly close: () => void;
	readonly exited: Promise<{readonly exitCode: number; readonly signal?: number}>;
	readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** `argv[0]` is a path. Frames are checked for wrapped lines. */
export function startPty(
	argv: readonly string[],
	{columns = 100, rows = 30, env = {}, cwd}: PtyOptions = {},
): PtyProgram {
	const [file = '', ...rest] = argv;
	const screen = createScreen(columns, rows);
	// What was drawn for the old size may still be on its way when the terminal has the new one: not judged until the screen is as awaited.
	let resizing = false;
	screen.onFrame(() => {
		if (!resizing) assertUnbroken(screen);
	});
	const inherited = Object.fromEntries(
		Object.entries(process.env).filter(
			([name, value]) => value !== undefined && !/^(CI|NO_COLOR|FORCE_COLOR|NODE_|CI_.*)$/.test(name),
		),
	) as Record<string, string>;
	const pty: IPty = spawn(file, rest, {
		name: 'xterm-256color',
		cols: columns,
		rows,
		cwd,
		env: {...inherited, TERM: 'xterm-256color', LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TZ: 'UTC', ...env},
	});
	pty.onData(data => screen.write(data));
	let ended = false;
	const exited = new Promise<{exitCode: number; signal?: number}>(resolve => {
		pty.onExit(status => {
			ended = true;
			resolve(status);
		});
	});
	return {
		...screen,
		pid: pty.pid,
		type: text => pty.write(text),
		async waitFor(...awaited) {
			await screen.waitFor(...awaited);
			resizing = false;
			assertUnbroken(screen);
		},
		become(nextColumns, nextRows) {
			resizing = true;
			screen.resize(nextColumns, nextRows);
			pty.resize(nextColumns, nextRows);
		},
		kill: signal => process.kill(pty.pid, signal),
		hang: on => (on ? pty.pause() : pty.resume()),
		close: () => (pty as IPty & {destroy: () => void}).destroy(),
		exited,
		async [Symbol.asyncDispose]() {
			try {
				if (!ended) process.kill(pty.pid, 'SIGKILL');
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has just ended
			}
			await exited;
		},
	};
}

export const consoleEntry = [
	process.execPath,
	'--import',
	'tsx',
	fileURLToPath(new URL('console-entry.ts', import.meta.url)),
];
