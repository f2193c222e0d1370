/** How fast a counter grows, over the last `window` milliseconds. */
export class RateWindow {
	readonly #window: number;
	#points: {readonly time: number; readonly value: number}[] = [];

	constructor(window: number) {
		this.#window = window;
	}

	/** `time` in milliseconds, never smaller than before; a counter that shrinks begins anew. */
	add(time: number, value: number): void {
		const last = this.#points.at(-1);
		if (last && value < last.value) this.#points = [];
		this.#points.push({time, value});
		// One point older than the window stays, so that the window is always covered.
		while (this.#points.length > 2 && (this.#points[1]?.time ?? time) <= time - this.#window) this.#points.shift();
	}

	/** Units a second; undefined before there are two points at different times. */
	get perSecond(): number | undefined {
		const [first, last] = [this.#points[0], this.#points.at(-1)];
		if (!first || !last || last.time <= first.time) return undefined;
		return ((last.value - first.value) * 1000) / (last.time - first.time);
	}
}
