type Waiter = {readonly mayEnter: () => boolean; readonly enter: () => void};

/**
 * The memory that parts on their way take, of all uploads to a bucket: each upload may hold one, so that none waits for another's slow
 * source, and all together so many `more`.
 */
export class PartMemory {
	readonly #more: number;
	#free: number;
	/** In the order in which they came. */
	readonly #waiting: Waiter[] = [];
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
		const mayEnter = () => held === 0 || (held < most && this.#free > 0);
		const enter = () => {
			if (held++ > 0) this.#free--;
		};
		return async signal => {
			signal.throwIfAborted();
			if (mayEnter()) enter();
			else await this.#turn(mayEnter, enter, signal);
			let left = false;
			return () => {
				if (left) return;
				left = true;
				if (--held > 0) this.#free++;
				for (const waiter of [...this.#waiting]) if (waiter.mayEnter()) waiter.enter();
			};
		};
	}

	#turn(mayEnter: () => boolean, enter: () => void, signal: AbortSignal): Promise<void> {
		return new Promise((resolve, reject) => {
			const end = () => {
				signal.removeEventListener('abort', onAbort);
				this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
			};
			const onAbort = () => {
				end();
				reject(signal.reason as Error);
			};
			const waiter: Waiter = {
				mayEnter,
				enter() {
					end();
					enter();
					resolve();
				},
			};
			this.#waiting.push(waiter);
			signal.addEventListener('abort', onAbort, {once: true});
		});
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
