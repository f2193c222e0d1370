type Place = {readonly mayEnter: () => boolean; readonly enter: () => void; readonly leave: () => void};
type Waiter = {readonly mayEnter: () => boolean; readonly admit: () => void};

/** Those who wait until they may enter, first come, first served; asked again each time when somebody leaves. */
export class WaitingLine {
	readonly #waiting: Waiter[] = [];

	/** Resolves with the function that leaves again, which may be called twice; rejects with the signal's reason. */
	async enter({mayEnter, enter, leave}: Place, signal: AbortSignal): Promise<() => void> {
		signal.throwIfAborted();
		if (mayEnter()) enter();
		else await this.#turn(mayEnter, enter, signal);
		let left = false;
		return () => {
			if (left) return;
			left = true;
			leave();
			for (const waiter of [...this.#waiting]) if (waiter.mayEnter()) waiter.admit();
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

/** A door for `places` at once. Resolves with the function that leaves again; rejects with the signal's reason. */
export function createGate(places: number): (signal: AbortSignal) => Promise<() => void> {
	const line = new WaitingLine();
	let inside = 0;
	const place: Place = {
		mayEnter: () => inside < places,
		enter() {
			inside++;
		},
		leave() {
			inside--;
		},
	};
	return signal => line.enter(place, signal);
}
