/** Runs the console on a terminal: from the first frame until the user leaves, and restores the terminal. */
import process from 'node:process';
import type {ReadStream, WriteStream} from 'node:tty';
import {messageOf} from '../core/errors.js';
import type {EngineHandle} from '../core/handle.js';
import {enterFiles} from './actions/files-view.js';
import {enterFleet} from './actions/fleet.js';
import {interrupt} from './actions/leaving.js';
import {type Attachment, createAttachment} from './attachment.js';
import {clipboardSequence} from './clipboard.js';
import {type Console, type ConsoleInfo, createConsole, isWorking, type LeaveReason} from './console.js';
import {createFilesStore} from './files/store.js';
import {createFleetStore} from './fleet/store.js';
import {createFrames, type Frames} from './frames.js';
import {asciiGlyphs, unicodeGlyphs} from './glyphs.js';
import {createHomeStore, type HomeStore} from './home.js';
import {handleTyped} from './input.js';
import {stopSelf, whenForeground} from './job-control.js';
import {keepDrafts, loadKeptDrafts} from './restore/keep-drafts.js';
import {onAsked} from './restore/swap.js';
import {type Next, Screen} from './screen.js';
import type {StreamEnd} from './stream.js';
import {renderSummary} from './summary.js';

export type ConsoleOptions = {
	readonly ascii: boolean;
	/**
	 * Default: detected from the terminal, NO_COLOR and FORCE_COLOR. If false, FORCE_COLOR=0 must be in the environment
	 * before this module is loaded, for Ink's own colors.
	 */
	readonly color?: boolean;
	/** Leaves when the run ends; otherwise the result is shown until a key is pressed. */
	readonly exitWhenDone: boolean;
	readonly version: string;
	/** Milliseconds since the epoch; a recorded run has its own time. */
	readonly now?: () => number;
	/** Nothing can be controlled. */
	readonly readOnly?: boolean;
	/** Called with what went wrong while the terminal was already lost. */
	readonly onTrouble?: (text: string) => void;
	/** Where the log continues when the terminal is lost, for the Logs screen. */
	readonly hangupLog?: string;
	/**
	 * Maximum frames per second, including those caused by keys (the clock alone makes four). Default: 60, so that a key
	 * just after a frame does not wait.
	 */
	readonly maxFps?: number;
	/** Milliseconds between two frames that time causes; a long time for a picture that must not move. Default: 250. */
	readonly tickLength?: number;
	/** Prints the summary table on the normal screen afterwards. Default: true. */
	readonly summary?: boolean;
	/**
	 * Returns false while the program is in the background: nothing is drawn and no key is read. Default: always true.
	 */
	readonly isForeground?: () => boolean;
};

/** Milliseconds between two reads of what the first screen shows. */
const homeInterval = 15_000;

export type MountRequest = {
	readonly handle: EngineHandle;
	readonly stdin: ReadStream;
	readonly stdout: WriteStream;
	readonly start: 'jobs' | 'logs' | 'fleet' | {readonly files: string};
	readonly options: ConsoleOptions;
	/** Aborted: the screen is left immediately, with the reason `hangup`; work is not affected. */
	readonly signal?: AbortSignal;
};

export type MountResult = {
	readonly reason: LeaveReason | 'crashed';
	/** The error that ended the screen: a bug. The work continues. */
	readonly error?: unknown;
};

/** The parts of one console, and how it is left. */
type Session = {
	readonly console: Console;
	readonly attachment: Attachment;
	readonly screen: Screen;
	readonly frames: Frames;
	readonly home: HomeStore;
	readonly isForeground: () => boolean;
	/** Returns why the console must be left, once it must. */
	readonly left: () => LeaveReason | undefined;
	/** Resolves when the console must be left. */
	readonly leaving: Promise<unknown>;
	/** Stops everything and restores the terminal. */
	readonly close: () => void;
};

/**
 * Shows the console until the user leaves, and resolves to the reason. It never ends the work by itself: `cancelled`
 * means that the user has canceled it through the handle.
 */
export async function mountConsole(request: MountRequest): Promise<MountResult> {
	const {handle, start, options} = request;
	const session = openSession(request);
	const {console: c, screen, home} = session;
	try {
		startOn(c, handle, start);
		// A console that opens on other dumps reads nothing but these.
		if (start === 'jobs' && handle.state().command === 'console' && !c.info.readOnly) home.load();
		if (!c.info.readOnly) c.attempt(loadKeptDrafts(c));
		const reason = await visit(session, request).finally(screen.terminal.release);
		if (reason === 'hangup') await keep(session, request);
		const ended = !isWorking(handle.state()) || c.info.readOnly;
		if (reason !== 'hangup' && ended && (options.summary ?? true)) {
			const {columns} = screen.terminal.size();
			screen.terminal.write(renderSummary(handle.state(), {columns, glyphs: c.glyphs}));
		}
		return {reason};
	} catch (error) {
		return {reason: 'crashed', error};
	} finally {
		session.close();
	}
}

/** What cannot be kept is in the log, which goes on without the terminal. */
async function keep({console: c}: Session, {options}: MountRequest): Promise<void> {
	if (c.info.readOnly) return;
	await keepDrafts(c).catch((error: unknown) =>
		options.onTrouble?.(`the restore that was being configured is lost: ${messageOf(error)}`),
	);
}

function openSession({handle: own, stdin, stdout, options, signal}: MountRequest): Session {
	const attachment = createAttachment(own, () => frames.soon());
	const {handle} = attachment;
	const info: ConsoleInfo = {
		version: options.version,
		hangupLog: options.hangupLog,
		readOnly: options.readOnly ?? false,
	};
	const isForeground = options.isForeground ?? (() => true);
	let left: LeaveReason | undefined;
	const leaving = Promise.withResolvers<undefined>();
	const leave = (reason: LeaveReason) => {
		left ??= reason;
		leaving.resolve(undefined);
		screen.end(reason);
	};
	const screen = new Screen(stdin, stdout, {onResize: () => frames.soon(), onLost: () => leave('hangup')});
	const {stores, closeStores} = openStores(handle, () => frames.stale());
	const c = createConsole({
		...attachment,
		isWorking: () => isWorking(own.state()),
		home: () => home.home(),
		...stores,
		glyphs: options.ascii ? asciiGlyphs : unicodeGlyphs,
		info,
		now: options.now ?? Date.now,
		size: screen.terminal.size,
		leave,
		onChange() {
			const current = c.view().screen;
			if (current !== lastScreen) (current === 'jobs' ? refreshHome : home.pause)();
			lastScreen = current;
			frames.soon();
		},
		reloadHome: () => showsHome() && home.load(),
		stream: () => screen.end('stream'),
		suspend: () => screen.end('suspend'),
		redraw: () => screen.redraw(),
		copy(text) {
			screen.terminal.write(clipboardSequence(text));
			c.say('copied', 'done');
		},
	});
	const home = createHomeStore(handle, () => frames.stale());
	let lastScreen = c.view().screen;
	const showsHome = () =>
		handle.state().command === 'console' &&
		handle.state().jobs.size === 0 &&
		c.view().screen === 'jobs' &&
		!info.readOnly;
	const refreshHome = () => {
		if (showsHome() && isForeground()) home.refresh();
	};
	const homeTimer = setInterval(refreshHome, homeInterval);
	homeTimer.unref();
	const {tickLength} = options;
	const frames = createFrames({console: () => c, home: home.home, handle, terminal: screen.terminal, tickLength});
	const unsubscribe = own.subscribe(event => {
		if (event.type === 'run.finished' && (options.exitWhenDone || !isForeground())) leave('finished');
		if (event.type === 'job.asked' && event.question !== undefined) onAsked(c, event.job);
	});
	const unwatch = watchSignals(screen, () => leave('hangup'), signal);
	if (options.exitWhenDone && own.state().finished !== undefined) leave('finished');
	const close = () => {
		for (const stop of [unwatch, unsubscribe, frames.stop, closeStores, home.close, attachment.close]) stop();
		clearInterval(homeTimer);
		screen.terminal.close();
	};
	return {
		console: c,
		attachment,
		screen,
		frames,
		home,
		isForeground,
		left: () => left,
		leaving: leaving.promise,
		close,
	};
}

function openStores(handle: EngineHandle, onChange: () => void) {
	const files = createFilesStore(handle, onChange);
	const fleet = createFleetStore(handle, onChange);
	return {
		stores: {files, fleet},
		closeStores: () => {
			files.close();
			fleet.close();
		},
	};
}

/** Returns the function that stops watching. */
function watchSignals(screen: Screen, onHangup: () => void, signal: AbortSignal | undefined): () => void {
	const onStop = () => {
		if (screen.isUp) return screen.end('suspend');
		screen.terminal.release();
		void stopSelf();
	};
	const onContinue = () => screen.end('resume');
	process.on('SIGTSTP', onStop);
	process.on('SIGCONT', onContinue);
	process.on('SIGHUP', onHangup);
	signal?.addEventListener('abort', onHangup, {once: true});
	if (signal?.aborted) onHangup();
	return () => {
		process.off('SIGHUP', onHangup);
		process.off('SIGTSTP', onStop);
		process.off('SIGCONT', onContinue);
		signal?.removeEventListener('abort', onHangup);
	};
}

/** Alternates between the screen, the plain log and the shell until the console is left. */
async function visit(session: Session, {stdout, options}: MountRequest): Promise<LeaveReason> {
	const {console: c, attachment, screen, frames, isForeground, left, leaving} = session;
	const color = options.color ?? stdout.getColorDepth() > 1;
	const maxFps = options.maxFps ?? 60;
	const onTyped = (typed: Parameters<typeof handleTyped>[1]) => handleTyped(c, typed);
	const mayStop = () => !c.isWorking() || c.info.readOnly;
	/** The first log line that was not printed yet, by run. */
	const printed = new Map<string, number>();
	for (;;) {
		if (left() === undefined && !isForeground()) await whenForeground(isForeground, leaving);
		let next: Next | StreamEnd = left() ?? (await screen.show({frames, onTyped, color, maxFps}));
		if (next === 'stream') {
			const shown = attachment.attached()?.id ?? '';
			const from = printed.get(shown) ?? 0;
			const log = await screen.showLog({handle: c.handle, glyphs: c.glyphs, from, mayStop});
			printed.set(shown, log.next);
			next = log.end;
		}
		switch (next) {
			case 'screen':
			case 'stream':
				continue;
			case 'resume':
				// The shell has changed the modes meanwhile: they are set again.
				screen.terminal.release();
				continue;
			case 'suspend':
				screen.terminal.release();
				await stopSelf(leaving);
				continue;
			case 'interrupt':
				interrupt(c);
				continue;
			case 'leave':
				return left() ?? (c.isWorking() && !c.info.readOnly ? 'detached' : 'quit');
			default:
				return next;
		}
	}
}

function startOn(c: Console, handle: EngineHandle, start: MountRequest['start']): void {
	if (start === 'jobs') return;
	if (start === 'logs') return c.set({screen: 'logs'});
	if (start === 'fleet') return enterFleet(c);
	const index = handle.locations().findIndex(location => location.id === start.files);
	c.setFiles({location: Math.max(0, index)});
	enterFiles(c);
}
