/**
 * The terminal as the console uses it. Ink gets streams of ours, not the process's: so a dead terminal is no uncaught error, a
 * slow one does not block the dump, a size of nothing becomes a size, and a new size reaches Ink after the screen has been laid
 * out for it.
 */
import {PassThrough, Writable} from 'node:stream';
import type {ReadStream, WriteStream} from 'node:tty';

export type Size = {readonly columns: number; readonly rows: number};

export type Terminal = {
	readonly input: ReadStream;
	readonly output: WriteStream;
	/** Always something that can be drawn on. */
	readonly size: () => Size;
	/** More has been written than the terminal has taken: draw nothing until it has. */
	readonly congested: () => boolean;
	/** Takes in the terminal's present size; true when it is another one. */
	readonly measure: () => boolean;
	/** Drops what Ink draws, or lets it through again. */
	readonly mute: (on: boolean) => void;
	/** Empties the screen, and has Ink draw all of it. */
	readonly repaint: () => void;
	/** Writes past Ink: copies to the clipboard, and the summary. */
	readonly write: (text: string) => void;
	/** Reads keys (again), or stops reading them, with the terminal's own line editing back. */
	readonly listen: (on: boolean) => void;
	/** Stops listening. The listener that makes a late error harmless stays. */
	readonly close: () => void;
};

export type TerminalEvents = {
	readonly onResize: () => void;
	/** The terminal is gone (EIO, EPIPE, end of input). */
	readonly onLost: () => void;
};

const maxPending = 64 * 1024;
const homeAndErase = '\u001B[H\u001B[2J';
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
				if (!muted && !lost && stdout.writable) stdout.write(chunk);
				done();
			},
		}),
		{isTTY: true, columns: size.columns, rows: size.rows},
	);
	const input = Object.assign(new PassThrough(), {
		isTTY: true,
		setRawMode: (on: boolean) => guard(() => stdin.setRawMode(on)),
		ref: () => stdin.ref(),
		unref: () => stdin.unref(),
	});
	const onData = (chunk: Buffer | string) => input.write(translateKeys(chunk));
	stdout.on('error', lose);
	stdin.on('error', lose);
	stdin.on('end', lose);
	stdout.on('resize', events.onResize);

	function read(): Size {
		return {columns: limit(stdout.columns, 80, 1000), rows: limit(stdout.rows, 24, 500)};
	}
	function guard(action: () => void): void {
		try {
			action();
		} catch (error) {
			// EIO from a terminal that went away between two events.
			if (!(error instanceof Error && 'code' in error)) throw error;
			lose();
		}
	}
	return {
		input: input as unknown as ReadStream,
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
			if (!lost && stdout.writable) stdout.write(homeAndErase);
			output.emit('resize');
		},
		write: text => {
			if (!lost && stdout.writable) stdout.write(text);
		},
		listen(on) {
			if (on) stdin.on('data', onData).resume();
			else stdin.off('data', onData).pause();
		},
		close() {
			stdin.off('data', onData).pause();
			stdin.off('end', lose);
			stdout.off('resize', events.onResize);
		},
	};
}

/**
 * Node writes to terminals with blocking calls: one that takes nothing (a stopped terminal, a hung SSH connection) would stop
 * the whole program, and pg_dump behind it.
 */
function unblock(stdout: WriteStream): void {
	const {_handle: handle} = stdout as WriteStream & {readonly _handle?: {readonly setBlocking?: (on: boolean) => void}};
	handle?.setBlocking?.(false);
}

/** Ink passes on no function keys: F1 is `?`, F5 is Ctrl-R. */
function translateKeys(chunk: Buffer | string): Buffer | string {
	const text = typeof chunk === 'string' ? chunk : chunk.toString('latin1');
	if (!text.includes('\u001B')) return chunk;
	const translated = text.replaceAll(/\u001B(?:OP|\[11~|\[\[A)/g, '?').replaceAll(/\u001B(?:\[15~|\[\[E)/g, '\u0012');
	return typeof chunk === 'string' ? translated : Buffer.from(translated, 'latin1');
}
