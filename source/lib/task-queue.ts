/** Does work on items in the order in which they are added, a few at a time. */

export class TaskQueue<T> {
	readonly #lanes: number;
	readonly #work: (item: T) => Promise<void>;
	readonly #waiting: T[] = [];
	#running = 0;
	#failure: {readonly error: unknown} | undefined;
	#onSettled: (() => void)[] = [];

	constructor(lanes: number, work: (item: T) => Promise<void>) {
		this.#lanes = lanes;
		this.#work = work;
	}

	/** The number of items that wait or are being worked on. */
	get size(): number {
		return this.#waiting.length + this.#running;
	}

	add(item: T): void {
		if (this.#failure) return;
		this.#waiting.push(item);
		this.#next();
	}

	throwIfFailed(): void {
		if (this.#failure) throw this.#failure.error;
	}

	/** Resolves when no item is left; rejects with the first failure, when nothing is running any more. */
	async idle(): Promise<void> {
		while (this.#running > 0) await new Promise<void>(resolve => this.#onSettled.push(resolve));
		this.throwIfFailed();
	}

	/** Starts nothing more; `idle` rejects with `error`, unless something has failed before. */
	stop(error: unknown): void {
		this.#failure ??= {error};
		this.#waiting.length = 0;
	}

	#next(): void {
		if (this.#running >= this.#lanes) return;
		const item = this.#waiting.shift();
		if (item === undefined) return;
		this.#running++;
		this.#work(item)
			.catch((error: unknown) => this.stop(error))
			.finally(() => {
				this.#running--;
				this.#next();
				const settled = this.#onSettled;
				this.#onSettled = [];
				for (const resolve of settled) resolve();
			});
	}
}
