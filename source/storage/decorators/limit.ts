import type {Storage} from '../storage.js';

/** At most `transfers` uploads and downloads at once; the others wait their turn, in order. */
export function withLimit(storage: Storage, transfers: number): Storage {
	const enter = createGate(transfers);
	return {
		...storage,
		async put(key, source, options) {
			const leave = await enter(options.signal);
			try {
				return await storage.put(key, source, options);
			} finally {
				leave();
			}
		},
		async *get(key, options) {
			const leave = await enter(options.signal);
			try {
				yield* storage.get(key, options);
			} finally {
				leave();
			}
		},
	};
}

/** A door for `places` at once. Resolves with the function that leaves again; rejects with the signal's reason. */
export function createGate(places: number): (signal: AbortSignal) => Promise<() => void> {
	let free = places;
	const waiting: (() => void)[] = [];
	const leaveOnce = () => {
		let left = false;
		return () => {
			if (left) return;
			left = true;
			const next = waiting.shift();
			if (next) next();
			else free++;
		};
	};
	return async signal => {
		signal.throwIfAborted();
		if (free > 0) {
			free--;
			return leaveOnce();
		}
		await new Promise<void>((resolve, reject) => {
			const onTurn = () => {
				signal.removeEventListener('abort', onAbort);
				resolve();
			};
			const onAbort = () => {
				waiting.splice(waiting.indexOf(onTurn), 1);
				reject(signal.reason as Error);
			};
			waiting.push(onTurn);
			signal.addEventListener('abort', onAbort, {once: true});
		});
		return leaveOnce();
	};
}
