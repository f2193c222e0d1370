type Place = {
	readonly mayEnter: () => boolean;
	readonly enter: () => void;
	readonly leave: () => void;
	/** Urgent waiters enter before all others. Called again each time; by default none is urgent. */
	readonly isUrgent?: () => boolean;
};
type Waiter = {readonly mayEnter: () => boolean; readonly isUrgent: () => boolean; readonly admit: () => void};

/** A queue: urgent waiters first, else first come, first served; evaluated again whenever one leaves. */
export class WaitQueue {
	readonly #waiting: Waiter[] = [];

	/** Resolves to the release function, which may be called twice; rejects with the signal's reason. */
	async enter(place: Place, signal: AbortSignal): Promise<() => void> {
		signal.throwIfAborted();
		if (place.mayEnter()) place.enter();
		else await this.#turn(place, signal);
		let left = false;
		return () => {
			if (left) return;
			left = true;
			place.leave();
			const urgent = this.#waiting.filter(waiter => waiter.isUrgent());
			const others = this.#waiting.filter(waiter => !urgent.includes(waiter));
			for (const waiter of [...urgent, ...others]) if (waiter.mayEnter()) waiter.admit();
		};
	}

	/** Returns whether an urgent waiter may enter now. */
	hasUrgent(): boolean {
		return this.#waiting.some(waiter => waiter.isUrgent() && waiter.mayEnter());
	}

	#turn({mayEnter, enter, isUrgent = () => false}: Place, signal: AbortSignal): Promise<void> {
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
				isUrgent,
				admit() {
					end();
					enter();
					resolve();
				},
			};
			this.#waiting.push(waiter);
			signal.addEventListener('abort', onAbort, {once: true});
		});
	}
}

export type Gate = {
	/** Resolves to the release function; rejects with the signal's reason. */
	readonly enter: (signal: AbortSignal, isUrgent?: () => boolean) => Promise<() => void>;
	/** Returns true when an urgent waiter would take the slot if this one, which holds it, released it. */
	readonly isWanted: () => boolean;
};

/** Creates a semaphore with `slots` slots. */
export function createSemaphore(slots: number): Gate {
	const [gate] = shareSlots(slots, 1);
	return gate as Gate;
}

/**
 * Creates a gate for each of `sharers`, which share `slots`. One of them never holds all: it leaves a slot for each of
 * the others as far as there are as many, so that one that does not get on delays none of them.
 */
export function shareSlots(slots: number, sharers: number): readonly Gate[] {
	const line = new WaitQueue();
	const most = Math.max(1, slots - sharers + 1);
	let inside = 0;
	return Array.from({length: sharers}, (): Gate => {
		let own = 0;
		const change = (by: number) => {
			inside += by;
			own += by;
		};
		const place: Place = {
			mayEnter: () => inside < slots && own < most,
			enter: () => change(1),
			leave: () => change(-1),
		};
		return {
			enter: (signal, isUrgent) => line.enter({...place, ...(isUrgent && {isUrgent})}, signal),
			isWanted() {
				change(-1);
				const wanted = line.hasUrgent();
				change(1);
				return wanted;
			},
		};
	});
}
