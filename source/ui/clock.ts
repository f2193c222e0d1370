/** The one clock of the console: everything that moves moves on its tick, and nothing else causes a frame but a key. */

/** Milliseconds between ticks while somebody types, and when nobody has for `idleAfter`. */
export const tickLength = 250;
export const idleTickLength = 1000;
export const idleAfter = 60_000;

export type Clock = {
	/** How often it has ticked; the frame of every spinner. */
	readonly ticks: () => number;
	/** Somebody is there: full speed again. */
	readonly wake: () => void;
	readonly stop: () => void;
};

/** Calls `onTick` until it is stopped. `monotonic` gives milliseconds. The caller stops it. */
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
