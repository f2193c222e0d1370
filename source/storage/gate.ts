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
