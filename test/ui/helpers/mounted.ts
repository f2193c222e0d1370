/** The console on a terminal that is not there: streams of ours, read through an emulator. */
import process from 'node:process';
import {PassThrough, Writable} from 'node:stream';
import type {ReadStream, WriteStream} from 'node:tty';
import type {EngineHandle} from '../../../source/core/handle.js';
import {escapeDelay} from '../../../source/ui/keyboard.js';
import type {ConsoleOptions, MountRequest, MountResult} from '../../../source/ui/mount.js';
import {assertUnbroken, createScreen, type Screen} from './screen.js';

process.env['NODE_ENV'] = 'production';
const {mountConsole} = await import('../../../source/ui/mount.js');

export type MountedOptions = Partial<ConsoleOptions> & {
	readonly columns?: number;
	readonly rows?: number;
	readonly start?: MountRequest['start'];
	readonly signal?: AbortSignal;
};

export type Mounted = Screen & {
	readonly result: Promise<MountResult>;
	readonly stdin: PassThrough;
	readonly stdout: Writable;
	/** Types text as a person would: one read a key. */
	readonly type: (...keys: readonly string[]) => Promise<void>;
	/** Gives the terminal another size, as SIGWINCH would. */
	readonly become: (columns: number, rows: number) => Promise<void>;
	readonly isRaw: () => boolean;
	/** How often the terminal got its line editing back: a Ctrl-C is a signal then. */
	readonly releases: () => number;
	/** Takes the terminal away if the test has not left the console: a failed test must not hang. */
	readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export const keys = {
	up: '\u001B[A',
	down: '\u001B[B',
	right: '\u001B[C',
	left: '\u001B[D',
	pageDown: '\u001B[6~',
	end: '\u001B[F',
	f2: '\u001BOQ',
	f5: '\u001B[15~',
	enter: '\r',
	escape: '\u001B',
	tab: '\t',
	backspace: '\u007F',
	ctrlC: '\u0003',
	ctrlL: '\u000C',
	ctrlU: '\u0015',
	ctrlZ: '\u001A',
} as const;

/** A text as single keys. */
export function chars(text: string): readonly string[] {
	return Array.from(text);
}

/** Mounts; every frame is checked for wrapped lines. The test awaits `result` in the end. */
export function mount(handle: EngineHandle, options: MountedOptions = {}): Mounted {
	const {columns = 100, rows = 30, start = 'jobs', signal, ...rest} = options;
	const stop = new AbortController();
	const screen = createScreen(columns, rows);
	screen.onFrame(() => assertUnbroken(screen));
	let raw = false;
	let releases = 0;
	const stdin = Object.assign(new PassThrough(), {
		isTTY: true,
		setRawMode(on: boolean) {
			if (raw && !on) releases++;
			raw = on;
			return stdin;
		},
		ref: () => stdin,
		unref: () => stdin,
	});
	const stdout = Object.assign(
		new Writable({
			decodeStrings: false,
			write(chunk: string, _encoding, done) {
				screen.write(chunk);
				done();
			},
		}),
		{isTTY: true, columns, rows},
	);
	const result = mountConsole({
		handle,
		stdin: stdin as unknown as ReadStream,
		stdout: stdout as unknown as WriteStream,
		start,
		signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
		options: {ascii: false, color: true, exitWhenDone: false, version: '3.0.0', ...rest},
	});
	return {
		...screen,
		result,
		stdin,
		stdout,
		isRaw: () => raw,
		releases: () => releases,
		async [Symbol.asyncDispose]() {
			stop.abort();
			await result;
		},
		async type(...typed) {
			for (const key of typed) {
				stdin.write(key);
				// A lone Esc is one only after a pause.
				await new Promise(resolve => setTimeout(resolve, key === keys.escape ? escapeDelay + 20 : 0));
				await new Promise(resolve => setImmediate(resolve));
			}
			await screen.settled();
		},
		async become(nextColumns, nextRows) {
			screen.resize(nextColumns, nextRows);
			Object.assign(stdout, {columns: nextColumns, rows: nextRows});
			stdout.emit('resize');
			await new Promise(resolve => setImmediate(resolve));
			await screen.settled();
		},
	};
}
