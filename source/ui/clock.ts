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

/** Calls `onTick` every `shortest` milliseconds, while the user types, until it is stopped. The caller stops it. */
export function startClock(onTick: () => void, shortest: number = tickLength): Clock {
	let ticks = 0;
	let lastKey = performance.now();
	let timer: NodeJS.Timeout;
	const length = () => (performance.now() - lastKey > idleAfter ? idleTickLength : shortest);
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
			lastKey = performance.now();
			if (!wasIdle) return;
			clearTimeout(timer);
			schedule();
		},
		stop: () => clearTimeout(timer),
	};
}
