/** Measures how fast a counter grows, over the last `window` milliseconds. */
export class RateWindow {
	readonly #window: number;
	#points: {readonly time: number; readonly value: number}[] = [];

	constructor(window: number) {
		this.#window = window;
	}

	/**
	 * Adds a sample. `time` is in milliseconds and never decreases; a counter that decreases restarts the measurement.
	 */
	add(time: number, value: number): void {
		const last = this.#points.at(-1);
		if (last && value < last.value) this.#points = [];
		this.#points.push({time, value});
		// One sample older than the window is kept, so that the window is always covered.
		while (this.#points.length > 2 && (this.#points[1]?.time ?? time) <= time - this.#window) this.#points.shift();
	}

	/** Returns units per second; undefined before there are two samples at different times. */
	get perSecond(): number | undefined {
		const [first, last] = [this.#points[0], this.#points.at(-1)];
		if (!first || !last || last.time <= first.time) return undefined;
		return ((last.value - first.value) * 1000) / (last.time - first.time);
	}
}
