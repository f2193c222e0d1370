/**
 * The terminal as the console uses it. Ink gets streams of ours instead of the process's: a lost terminal is then not
 * an uncaught error, a slow one does not block the dump, a size of zero becomes a usable size, and a new size reaches
 * Ink after the screen has been laid out for it.
 */
import {PassThrough, Writable} from 'node:stream';
import type {ReadStream, WriteStream} from 'node:tty';

export type Size = {readonly columns: number; readonly rows: number};

export type Terminal = {
	/** Ink's stdin: it never reads keys, `onData` does. */
	readonly input: ReadStream;
	readonly output: WriteStream;
	/** Always a usable size. */
	readonly size: () => Size;
	/** The terminal has not accepted all output: nothing is drawn until it has. */
	readonly congested: () => boolean;
	/** Reads the terminal's current size; returns true when it has changed. */
	readonly measure: () => boolean;
	/** Drops Ink's output, or passes it again. */
	readonly mute: (on: boolean) => void;
	/** Clears the screen, and makes Ink draw everything. */
	readonly repaint: () => void;
	/** Writes without Ink: for the clipboard, and the summary. */
	readonly write: (text: string) => void;
	/**
	 * Enables raw mode and passes keys to `onData`; or leaves keys in the terminal, which stays in raw mode: between the
	 * screen and the plain log a Ctrl-C is a key and no signal. A second call changes nothing.
	 */
	readonly listen: (on: boolean) => void;
	/** Stops listening, and restores the terminal's line editing. A second call changes nothing. */
	readonly release: () => void;
	/** Releases the terminal for good. The listener that ignores late errors stays. */
	readonly close: () => void;
};

export type TerminalEvents = {
	readonly onData: (chunk: Buffer | string) => void;
	readonly onResize: () => void;
	/** The terminal is lost (EIO, EPIPE, end of input). */
	readonly onLost: () => void;
};

const maxPending = 64 * 1024;
/** A terminal keeps the column of the cursor when it changes screens. */
const home = '\u001B[H';
const homeAndErase = `${home}\u001B[2J`;
const alternateScreen = '\u001B[?1049h';
const normalScreen = '\u001B[?1049l';
/**
 * Disables application cursor keys, the application keypad, mouse reports and focus reports, which an earlier program
 * may have left enabled; enables bracketed paste.
 */
const enterModes = `\u001B[?1l\u001B>${[9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015].map(mode => `\u001B[?${mode}l`).join('')}\u001B[?2004h`;
const leaveModes = '\u001B[?2004l';
const limit = (value: number | undefined, otherwise: number, most: number) =>
	value !== undefined && Number.isInteger(value) && value > 0 ? Math.min(value, most) : otherwise;

export function openTerminal(stdin: ReadStream, stdout: WriteStream, events: TerminalEvents): Terminal {
	let size = read();
	let lost = false;
	let muted = false;
	const lose = () => {
		if (lost) return;
		lost = true;
		events.onLost();
	};
	unblock(stdout);
	const output = Object.assign(
		new Writable({
			decodeStrings: false,
			write(chunk: string | Buffer, _encoding, done) {
				if (!muted && !lost && stdout.writable) stdout.write(withModes(chunk));
				done();
			},
		}),
		{isTTY: true, columns: size.columns, rows: size.rows},
	);
	stdout.on('error', lose);
	stdin.on('error', lose);
	stdin.on('end', lose);
	stdout.on('resize', events.onResize);

	function write(text: string): void {
		if (!lost && stdout.writable) stdout.write(text);
	}
	function read(): Size {
		return {columns: limit(stdout.columns, 80, 1000), rows: limit(stdout.rows, 24, 500)};
	}
	function guard(action: () => void): void {
		try {
			action();
		} catch (error) {
			// EIO from a terminal that was lost between two events.
			if (!(error instanceof Error && 'code' in error)) throw error;
			lose();
		}
	}
	const keys = createKeySource(stdin, {onData: events.onData, guard, write});
	return {
		input: silentInput() as unknown as ReadStream,
		output: output as unknown as WriteStream,
		size: () => size,
		congested: () => stdout.writableLength > maxPending,
		measure() {
			const next = read();
			if (next.columns === size.columns && next.rows === size.rows) return false;
			size = next;
			Object.assign(output, next);
			return true;
		},
		mute: on => (muted = on),
		repaint() {
			write(homeAndErase);
			output.emit('resize');
		},
		write,
		...keys,
		close() {
			keys.release();
			stdin.off('end', lose);
			stdout.off('resize', events.onResize);
		},
	};
}

type KeyEvents = Pick<TerminalEvents, 'onData'> & {
	/** Runs an action that fails when the terminal is lost. */
	readonly guard: (action: () => void) => void;
	readonly write: (text: string) => void;
};

function createKeySource(stdin: ReadStream, {onData, guard, write}: KeyEvents): Pick<Terminal, 'listen' | 'release'> {
	let listening = false;
	let raw = false;
	const onChunk = (chunk: Buffer | string) => onData(chunk);
	function setRaw(on: boolean): void {
		if (raw === on) return;
		raw = on;
		guard(() => stdin.setRawMode(on));
	}
	function listen(on: boolean): void {
		if (listening === on) return;
		listening = on;
		if (!on) {
			stdin.off('data', onChunk).pause();
			return;
		}
		setRaw(true);
		write(enterModes);
		stdin.on('data', onChunk).resume();
	}
	return {
		listen,
		release() {
			listen(false);
			if (raw) write(leaveModes);
			setRaw(false);
		},
	};
}

/** Ink reads no keys, and sets no modes. */
function silentInput(): PassThrough {
	return Object.assign(new PassThrough(), {
		isTTY: true,
		setRawMode: () => undefined,
		ref: () => undefined,
		unref: () => undefined,
	});
}

/**
 * Node writes to terminals with blocking calls: a terminal that accepts nothing (a stopped terminal, a hung SSH
 * connection) would stop the whole program, and pg_dump with it.
 */
function unblock(stdout: WriteStream): void {
	const {_handle: handle} = stdout as WriteStream & {readonly _handle?: {readonly setBlocking?: (on: boolean) => void}};
	handle?.setBlocking?.(false);
}

/**
 * Ink restores the screen on every exit, including signals and exceptions: the modes enabled with it are disabled with
 * it.
 */
function withModes(chunk: string | Buffer): string | Buffer {
	if (typeof chunk !== 'string') return chunk;
	if (chunk.includes(normalScreen)) return chunk.replace(normalScreen, leaveModes + normalScreen);
	return chunk.includes(alternateScreen)
		? chunk.replace(alternateScreen, `${alternateScreen}${home}${enterModes}`)
		: chunk;
}
