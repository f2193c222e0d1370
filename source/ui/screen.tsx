/** The terminal as the user sees it: the screen that Ink draws, or the plain log instead. */
import type {ReadStream, WriteStream} from 'node:tty';
import {type Instance, render} from 'ink';
import type {EngineHandle} from '../core/handle.js';
import {App} from './App.js';
import type {LeaveReason} from './console.js';
import type {Frames} from './frames.js';
import type {Glyphs} from './glyphs.js';
import {createKeyboard} from './keyboard.js';
import {createPaint} from './paint.js';
import {type StreamEnd, streamLog} from './stream.js';
import {openTerminal, type Terminal} from './terminal.js';
import type {Typed} from './typed-keys.js';

/** `resume`: the program was stopped and continued, and the shell has changed the terminal's modes. */
export type Next = LeaveReason | 'stream' | 'suspend' | 'resume';

export type ScreenEvents = {
	/** The terminal has another size: the next frame is needed soon. */
	readonly onResize: () => void;
	/** The terminal is lost. */
	readonly onLost: () => void;
};

export type ShowOptions = {
	readonly frames: Frames;
	readonly onTyped: (typed: Typed) => void;
	readonly color: boolean;
	readonly maxFps: number;
};

export type LogOptions = {
	readonly handle: EngineHandle;
	readonly glyphs: Glyphs;
	/** Index of the first line to print. */
	readonly from: number;
	readonly mayStop: () => boolean;
};

/** Owns the terminal from its opening until `terminal.close`. */
export class Screen {
	readonly terminal: Terminal;
	readonly #keyboard = createKeyboard(typed => this.#onKey?.(typed));
	#onKey: ((typed: Typed) => void) | undefined;
	#end: ((next: Next) => void) | undefined;
	#instance: Instance | undefined;

	constructor(stdin: ReadStream, stdout: WriteStream, {onResize, onLost}: ScreenEvents) {
		this.terminal = openTerminal(stdin, stdout, {
			onData: this.#keyboard.push,
			onResize: () => {
				if (!this.terminal.measure()) return;
				// Ink's next output would be laid out for the old size.
				if (this.#instance !== undefined) this.terminal.mute(true);
				onResize();
			},
			onLost,
		});
	}

	/** Returns true while the screen or the plain log is shown. */
	get isUp(): boolean {
		return this.#end !== undefined;
	}

	/** Ends the current visit, if any, with `next` as its result. */
	end(next: Next): void {
		this.#end?.(next);
	}

	redraw(): void {
		this.#instance?.clear();
		this.terminal.repaint();
	}

	/** Shows the alternate screen until `end`; resolves to what comes next. */
	async show({frames, onTyped, color, maxFps}: ShowOptions): Promise<Next> {
		const {terminal} = this;
		const next = new Promise<Next>(resolve => (this.#end = resolve));
		terminal.measure();
		frames.soon();
		terminal.listen(true);
		this.#onKey = typed => {
			frames.wake();
			onTyped(typed);
		};
		const onSized = (columns: number, rows: number) => this.#sized(columns, rows);
		const instance = render(<App store={frames} paint={createPaint(color)} onSized={onSized} />, {
			stdin: terminal.input,
			stdout: terminal.output,
			alternateScreen: true,
			incrementalRendering: true,
			interactive: true,
			maxFps,
			exitOnCtrlC: false,
			patchConsole: false,
		});
		this.#instance = instance;
		try {
			return await Promise.race([next, instance.waitUntilExit().then(() => next)]);
		} finally {
			this.#end = undefined;
			this.#onKey = undefined;
			terminal.mute(false);
			this.#instance = undefined;
			instance.unmount();
			await instance.waitUntilExit().catch(() => undefined);
			terminal.listen(false);
			this.#keyboard.reset();
		}
	}

	/** Shows the plain log instead of the screen. Resolves to what comes next and the first line that was not printed. */
	async showLog(options: LogOptions): Promise<{readonly end: Next | StreamEnd; readonly next: number}> {
		try {
			return await streamLog({
				...options,
				terminal: this.terminal,
				onKeys: listener => {
					this.#onKey = listener;
					return () => (this.#onKey = undefined);
				},
				onStart: end => (this.#end = next => end(next === 'suspend' ? 'suspend' : 'screen')),
			});
		} finally {
			this.#end = undefined;
			this.#keyboard.reset();
		}
	}

	/** The screen has been laid out for this size: if the terminal has it, everything is drawn again. */
	#sized(columns: number, rows: number): void {
		const size = this.terminal.size();
		if (this.#instance === undefined || columns !== size.columns || rows !== size.rows) return;
		this.#instance.clear();
		this.terminal.mute(false);
		this.terminal.repaint();
	}
}
