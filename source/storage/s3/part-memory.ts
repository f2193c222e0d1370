import {WaitQueue} from '../semaphore.js';

/**
 * The memory for parts in flight, shared by all uploads to a bucket: each upload may hold one, so that none waits for
 * another's slow source, and all together `more`.
 */
export class PartMemory {
	readonly #more: number;
	#free: number;
	readonly #line = new WaitQueue();
	readonly #spare: Buffer[] = [];

	constructor(more: number) {
		this.#more = more;
		this.#free = more;
	}

	/**
	 * Creates a function for one upload, which holds at most `most` parts. It waits until another part may be held, and
	 * resolves to its release function, which may be called twice; rejects with the signal's reason.
	 */
	acquirer(most: number): (signal: AbortSignal) => Promise<() => void> {
		let held = 0;
		const place = {
			mayEnter: () => held === 0 || (held < most && this.#free > 0),
			enter: () => {
				if (held++ > 0) this.#free--;
			},
			leave: () => {
				if (--held > 0) this.#free++;
			},
		};
		return signal => this.#line.enter(place, signal);
	}

	/** Returns an unused buffer of `size` bytes with arbitrary content. */
	take(size: number): Buffer {
		const index = this.#spare.findIndex(buffer => buffer.length === size);
		// A buffer of another size is no longer useful, because the parts of an upload only grow.
		const [found] = this.#spare.splice(Math.max(0, index), 1);
		return index >= 0 && found ? found : Buffer.allocUnsafeSlow(size);
	}

	/** Returns a buffer to the pool; it must not be read or written any more. */
	give(buffer: Buffer): void {
		if (this.#spare.length < this.#more) this.#spare.push(buffer);
	}
}
