/** As many as the thread pool of Node.js has threads. */
const lanes = 4;

/** Runs `work` for all items, four at a time, and returns when none is running. After a failure nothing more is started; throws the first. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
	let next = 0;
	let failure: {readonly error: unknown} | undefined;
	const lane = async (): Promise<void> => {
		while (next < items.length && !failure) {
			const item = items[next++] as T;
			try {
				await work(item);
			} catch (error) {
				failure ??= {error};
			}
		}
	};
	await Promise.all(Array.from({length: Math.min(lanes, items.length)}, lane));
	if (failure) throw failure.error;
}
