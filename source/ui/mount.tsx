/** The console on a terminal: from the first frame until it is left, the terminal put back as it was. */
import process from 'node:process';
import type {ReadStream, WriteStream} from 'node:tty';
import {render, type Instance, type Key} from 'ink';
import type {EngineHandle} from '../core/handle.js';
import {App} from './App.js';
import {clipboardSequence} from './clipboard.js';
import {createConsole, isWorking, type ConsoleInfo, type LeaveReason} from './console.js';
import {createFilesStore} from './files/store.js';
import {createFrames} from './frames.js';
import {asciiGlyphs, unicodeGlyphs} from './glyphs.js';
import {enterFiles} from './actions/files-view.js';
import {createHomeStore} from './home.js';
import {handleTyped} from './input.js';
import {readKeys} from './keys.js';
import {streamLog} from './stream.js';
import {renderSummary} from './summary.js';
import {createPaint} from './paint.js';
import {openTerminal} from './terminal.js';

export type ConsoleOptions = {
	readonly ascii: boolean;
	/** Default: what the terminal says of itself, NO_COLOR and FORCE_COLOR heeded. Where it is false FORCE_COLOR=0 must stand in the environment before this module is loaded, for what Ink colours itself. */
	readonly color?: boolean;
	/** Leave when the run ends; else the outcome stays until a key. */
	readonly exitWhenDone: boolean;
	readonly version: string;
	/** Milliseconds since the epoch; a recorded run has its own time. */
	readonly now?: () => number;
	/** Nothing can be steered. */
	readonly readOnly?: boolean;
	/** Where the log goes on when the terminal dies, for the Logs screen. */
	readonly hangupLog?: string;
	/** Frames a second at the most, keys among their causes (the clock alone makes four). Default: 60, so that a key just after a frame does not wait. */
	readonly maxFps?: number;
	/** Print the table of what was done on the normal screen afterwards. Default: true. */
	readonly summary?: boolean;
};

export type MountRequest = {
	readonly handle: EngineHandle;
	readonly stdin: ReadStream;
	readonly stdout: WriteStream;
	readonly start: 'jobs' | 'logs' | {readonly files: string};
	readonly options: ConsoleOptions;
	/** Aborted: the screen is left at once, with the reason `hangup`; work is not touched. */
	readonly signal?: AbortSignal;
};

export type MountResult = {
	readonly reason: LeaveReason | 'crashed';
	/** What the screen itself died of: a bug. The work goes on. */
	readonly error?: unknown;
};

type Next = LeaveReason | 'stream' | 'suspend';

/**
 * Shows the console until it is left, and resolves with why. It never ends the work by itself: `cancelled` says that the
 * person has cancelled it through the handle.
 */
export async function mountConsole({
	handle,
	stdin,
	stdout,
	start,
	options,
	signal,
}: MountRequest): Promise<MountResult> {
	const now = options.now ?? Date.now;
	const glyphs = options.ascii ? asciiGlyphs : unicodeGlyphs;
	const info: ConsoleInfo = {
		version: options.version,
		hangupLog: options.hangupLog,
		readOnly: options.readOnly ?? false,
	};
	/** Set while the screen is up: ends it. */
	let endScreen: ((next: Next) => void) | undefined;
	let left: LeaveReason | undefined;
	const leaving = Promise.withResolvers<undefined>();
	const leave = (reason: LeaveReason) => {
		left ??= reason;
		leaving.resolve(undefined);
		endScreen?.(reason);
	};
	let instance: Instance | undefined;
	/** The screen has been laid out for this size: if the terminal has it, everything is drawn anew. */
	const onSized = (columns: number, rows: number) => {
		const size = terminal.size();
		if (instance === undefined || columns !== size.columns || rows !== size.rows) return;
		instance.clear();
		terminal.mute(false);
		terminal.repaint();
	};
	const terminal = openTerminal(stdin, stdout, {
		onResize() {
			if (!terminal.measure()) return;
			// What Ink would draw now is laid out for the old size.
			if (instance !== undefined) terminal.mute(true);
			frames.soon();
		},
		onLost: () => leave('hangup'),
	});
	const files = createFilesStore(handle, () => frames.stale());
	const c = createConsole({
		handle,
		files,
		glyphs,
		info,
		now,
		size: terminal.size,
		leave,
		onChange: () => frames.soon(),
		stream: () => endScreen?.('stream'),
		suspend: () => endScreen?.('suspend'),
		redraw() {
			instance?.clear();
			terminal.repaint();
		},
		copy(text) {
			terminal.write(clipboardSequence(text));
			c.say('copied', 'done');
		},
	});
	const home = createHomeStore(handle, () => frames.stale());
	const frames = createFrames({console: () => c, home: home.home, handle, terminal});
	const unsubscribe = handle.subscribe(event => {
		if (event.type === 'run.finished' && options.exitWhenDone) leave('finished');
	});
	const onHangup = () => leave('hangup');
	process.on('SIGHUP', onHangup);
	signal?.addEventListener('abort', onHangup, {once: true});
	if (signal?.aborted) leave('hangup');
	if (options.exitWhenDone && handle.state().finished !== undefined) leave('finished');

	const onInput = (input: string, key: Key) => {
		frames.wake();
		for (const typed of readKeys(input, key)) handleTyped(c, typed);
	};

	/** One visit of the alternate screen. */
	async function showScreen(): Promise<Next> {
		if (left !== undefined) return left;
		const next = new Promise<Next>(resolve => (endScreen = resolve));
		terminal.measure();
		frames.soon();
		terminal.listen(true);
		instance = render(
			<App
				store={frames}
				paint={createPaint(options.color ?? stdout.getColorDepth() > 1)}
				onInput={onInput}
				onSized={onSized}
			/>,
			{
				stdin: terminal.input,
				stdout: terminal.output,
				alternateScreen: true,
				incrementalRendering: true,
				interactive: true,
				maxFps: options.maxFps ?? 60,
				exitOnCtrlC: false,
				patchConsole: false,
			},
		);
		try {
			return await Promise.race([next, instance.waitUntilExit().then(() => next)]);
		} finally {
			endScreen = undefined;
			terminal.mute(false);
			const ending = instance;
			instance = undefined;
			ending.unmount();
			await ending.waitUntilExit().catch(() => undefined);
			terminal.listen(false);
		}
	}

	async function visit(): Promise<LeaveReason> {
		let printed = 0;
		for (;;) {
			const next = await showScreen();
			if (next === 'suspend') {
				process.kill(process.pid, 'SIGSTOP');
				continue;
			}
			if (next !== 'stream') return next;
			const {end, next: following} = await streamLog({
				handle,
				terminal,
				glyphs,
				from: printed,
				stopped: leaving.promise,
			});
			printed = following;
			if (end === 'leave') return isWorking(handle.state()) && !info.readOnly ? 'detached' : 'quit';
			if (end === 'interrupt') {
				if (!isWorking(handle.state()) || info.readOnly) return 'quit';
				handle.cancel();
				return 'cancelled';
			}
		}
	}

	try {
		startOn(start);
		if (handle.state().command === 'console' && !info.readOnly) home.load();
		const reason = await visit();
		const ended = !isWorking(handle.state()) || info.readOnly;
		if (reason !== 'hangup' && ended && (options.summary ?? true))
			terminal.write(renderSummary(handle.state(), {columns: terminal.size().columns, glyphs}));
		return {reason};
	} catch (error) {
		return {reason: 'crashed', error};
	} finally {
		process.off('SIGHUP', onHangup);
		signal?.removeEventListener('abort', onHangup);
		unsubscribe();
		frames.stop();
		files.close();
		home.close();
		terminal.close();
	}

	function startOn(where: MountRequest['start']): void {
		if (where === 'jobs') return;
		if (where === 'logs') return c.set({screen: 'logs'});
		const index = handle.locations().findIndex(location => location.id === where.files);
		c.setFiles({location: Math.max(0, index)});
		enterFiles(c);
	}
}
