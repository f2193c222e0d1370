/** Engine events and keys become frames: four a second at the most, at once on a key, none while nothing changes. */
import type {EngineHandle} from '../core/handle.js';
import type {FrameStore} from './App.js';
import {startClock} from './clock.js';
import {isWorking, type Console, type Frame} from './console.js';
import type {Home} from './home.js';
import type {Terminal} from './terminal.js';

export type Frames = FrameStore & {
	/** Draw as soon as the keys that have arrived are handled. */
	readonly soon: () => void;
	/** Somebody has pressed a key. */
	readonly wake: () => void;
	/** Something has changed that can wait for the next tick. */
	readonly stale: () => void;
	readonly stop: () => void;
};

export type FrameSources = {
	readonly console: () => Console;
	readonly home: () => Home;
	readonly handle: EngineHandle;
	readonly terminal: Terminal;
};

export function createFrames({console: getConsole, home, handle, terminal}: FrameSources): Frames {
	const listeners = new Set<() => void>();
	let dirty = false;
	let scheduled = false;
	let last: Frame | undefined;
	const clock = startClock(() => {
		if (dirty || moves()) publish();
	});
	const unsubscribe = handle.subscribe(() => (dirty = true));

	function make(): Frame {
		const c = getConsole();
		const {columns, rows} = terminal.size();
		return {
			columns,
			rows,
			run: handle.state(),
			view: c.view(),
			now: c.now(),
			tick: clock.ticks(),
			glyphs: c.glyphs,
			home: home(),
			files: c.files,
			filesVersion: c.files.version(),
			info: c.info,
		};
	}

	/** Clocks, spinners and messages that fade need frames of their own. */
	function moves(): boolean {
		const c = getConsole();
		const {message, screen} = c.view();
		const fading = message !== undefined && last !== undefined && message.until > last.now;
		return isWorking(handle.state()) || fading || (screen === 'files' && c.files.state() === 'listing');
	}

	function publish(): void {
		// A terminal that takes nothing gets nothing; what has changed meanwhile comes with the next frame.
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
