import type {RemoveOptions, RemoveResult} from './storage.js';

/**
 * Calls `removeOne` for all keys, `width` at a time, and waits for all of these before it throws the first failure. Ends
 * between two groups when `stop` aborts.
 */
export async function removeEach(
	keys: readonly string[],
	width: number,
	removeOne: (key: string) => Promise<RemoveResult>,
	{stop, onRemoved}: Omit<RemoveOptions, 'signal'>,
): Promise<RemoveResult[]> {
	const results: RemoveResult[] = [];
	const reported = async (key: string): Promise<RemoveResult> => {
		const result = await removeOne(key);
		if (result.error === undefined && result.kept === undefined) onRemoved?.(result);
		return result;
	};
	for (let at = 0; at < keys.length; at += width) {
		stop?.throwIfAborted();
		const group = await Promise.allSettled(keys.slice(at, at + width).map(reported));
		for (const one of group) {
			if (one.status === 'rejected') throw one.reason;
			results.push(one.value);
		}
	}
	return results;
}
