/**
 * Seconds until all is done: those that run go on, and each that ends makes room for the next that waits, in order. All numbers
 * in seconds. Pure.
 */
export function timeLeft(running: readonly number[], waiting: readonly number[], concurrency: number): number {
	const slots = running.toSorted((a, b) => a - b);
	while (slots.length < Math.min(concurrency, slots.length + waiting.length)) slots.unshift(0);
	for (const seconds of waiting) {
		const free = slots.shift() ?? 0;
		const end = free + seconds;
		const at = slots.findIndex(slot => slot > end);
		slots.splice(at === -1 ? slots.length : at, 0, end);
	}
	return slots.at(-1) ?? 0;
}
