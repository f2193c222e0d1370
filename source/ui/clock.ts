/** The one clock of the console: everything that moves does so on its tick; other frames are caused only by keys. */

/** Milliseconds between ticks while the user types, and after `idleAfter` without input. */
export const tickLength = 250;
export const idleTickLength = 1000;
export const idleAfter = 60_000;

export type Clock = {
	/** Returns the number of ticks, which is the frame of every spinner. */
	readonly ticks: () => number;
	/** Returns to full speed after an input. */
	readonly wake: () => void;
	readonly stop: () => void;
};

/** Calls `onTick` until it is stopped. `monotonic` returns milliseconds. The caller stops it. */
export function startClock(onTick: () => void, monotonic: () => number = () => performance.now()): Clock {
	let ticks = 0;
	let lastKey = monotonic();
	let timer: NodeJS.Timeout;
	const length = () => (monotonic() - lastKey > idleAfter ? idleTickLength : tickLength);
	const schedule = () => {
		timer = setTimeout(() => {
			ticks++;
			schedule();
			onTick();
		}, length());
	};
	schedule();
	return {
		ticks: () => ticks,
		wake() {
			const wasIdle = length() === idleTickLength;
			lastKey = monotonic();
			if (!wasIdle) return;
			clearTimeout(timer);
			schedule();
		},
		stop: () => clearTimeout(timer),
	};
}
