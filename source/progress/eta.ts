/**
 * Returns seconds until everything is done: each job that ends makes room for the next waiting one, in order. All
 * numbers in seconds. Pure.
 */
export function timeLeft(running: readonly number[], waiting: readonly number[], concurrency: number): number {
	const slots = running.toSorted((a, b) => a - b);
	const most = Math.min(concurrency, running.length + waiting.length);
	while (slots.length < most) slots.unshift(0);
	for (const seconds of waiting) {
		const free = slots.shift() ?? 0;
		const end = free + seconds;
		const at = slots.findIndex(slot => slot > end);
		slots.splice(at === -1 ? slots.length : at, 0, end);
	}
	return slots.at(-1) ?? 0;
}
