export type TimeLimit = {
	readonly signal: AbortSignal;
	/** Stops the timer. */
	readonly end: () => void;
};

/** Aborts its signal with `reason()` after this many seconds; 0 or undefined: never. The caller calls `end`. */
export function timeLimit(seconds: number | undefined, reason: () => Error): TimeLimit {
	const controller = new AbortController();
	// A limit longer than a timer supports (24 days) means never.
	const timer =
		seconds === undefined || seconds === 0 || seconds > 2_000_000
			? undefined
			: setTimeout(() => controller.abort(reason()), seconds * 1000);
	return {signal: controller.signal, end: () => clearTimeout(timer)};
}
