/**
 * Turns engine events and keys into frames: at most four per second, immediately on a key, none while nothing changes.
 */
import type {EngineHandle} from '../core/handle.js';
import type {FrameStore} from './App.js';
import {startClock} from './clock.js';
import {type Console, type Frame, isWorking} from './console.js';
import type {Home} from './home.js';
import type {Terminal} from './terminal.js';

export type Frames = FrameStore & {
	/** Draws as soon as the arrived keys are handled. */
	readonly soon: () => void;
	/** Called when the user has pressed a key. */
	readonly wake: () => void;
	/** Called for a change that can wait for the next tick. */
	readonly stale: () => void;
	readonly stop: () => void;
};

export type FrameSources = {
	readonly console: () => Console;
	readonly home: () => Home;
	/** The handle of the shown run. */
	readonly handle: EngineHandle;
	readonly terminal: Terminal;
	/** Milliseconds between ticks. Default: 250. */
	readonly tickLength?: number | undefined;
};

export function createFrames({console: getConsole, home, handle, terminal, tickLength}: FrameSources): Frames {
	const listeners = new Set<() => void>();
	let dirty = false;
	let scheduled = false;
	let last: Frame | undefined;
	const onTick = () => {
		if (dirty || moves()) publish();
	};
	const clock = startClock(onTick, tickLength);
	const unsubscribe = handle.subscribe(() => (dirty = true));

	function make(): Frame {
		const c = getConsole();
		const {columns, rows} = terminal.size();
		const attached = c.attached();
		return {
			columns,
			rows,
			run: handle.state(),
			view: c.view(),
			now: c.now(),
			tick: clock.ticks(),
			glyphs: c.glyphs,
			home: home(),
			...(attached && {attached}),
			files: c.files,
			fleet: c.fleet,
			filesVersion: c.files.version(),
			info: c.info,
		};
	}

	/** Clocks, spinners and fading messages need frames of their own. */
	function moves(): boolean {
		const c = getConsole();
		const {message, screen} = c.view();
		const fading = message !== undefined && last !== undefined && message.until > last.now;
		const waits =
			(screen === 'files' && c.files.state() === 'listing') || (screen === 'fleet' && c.fleet.state() === 'reading');
		return isWorking(handle.state()) || fading || waits;
	}

	function publish(): void {
		// A blocked terminal is not written to; changes in the meantime are drawn with the next frame.
		if (terminal.congested()) {
			dirty = true;
			return;
		}
		dirty = false;
		last = make();
		for (const listener of listeners) listener();
	}

	return {
		frame: () => (last ??= make()),
		subscribe(listener) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		soon() {
			dirty = true;
			if (scheduled) return;
			scheduled = true;
			queueMicrotask(() => {
				scheduled = false;
				if (dirty) publish();
			});
		},
		wake: () => clock.wake(),
		stale: () => (dirty = true),
		stop() {
			clock.stop();
			unsubscribe();
			listeners.clear();
		},
	};
}
