import {WaitingLine} from '../gate.js';

/**
 * The memory that parts on their way take, of all uploads to a bucket: each upload may hold one, so that none waits for another's slow
 * source, and all together so many `more`.
 */
export class PartMemory {
	readonly #more: number;
	#free: number;
	readonly #line = new WaitingLine();
	readonly #spare: Buffer[] = [];

	constructor(more: number) {
		this.#more = more;
		this.#free = more;
	}

	/**
	 * For one upload, which holds `most` parts at the most: waits until it may hold another. Resolves with what gives that up again, which
	 * may be called twice; rejects with the signal's reason.
	 */
	door(most: number): (signal: AbortSignal) => Promise<() => void> {
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

	/** A buffer of `size` bytes that nobody else has, with anything in it. */
	take(size: number): Buffer {
		const index = this.#spare.findIndex(buffer => buffer.length === size);
		// One of another size is of no use any more: the parts of an upload only grow.
		const [found] = this.#spare.splice(Math.max(0, index), 1);
		return index >= 0 && found ? found : Buffer.allocUnsafeSlow(size);
	}

	/** Gives back what was taken; nobody may read or write it any more. */
	give(buffer: Buffer): void {
		if (this.#spare.length < this.#more) this.#spare.push(buffer);
	}
}
