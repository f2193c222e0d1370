import {lstat, type Stats} from 'node:fs';

/**
 * Files that are asked for at the same time. Asking for 100,000 one after the other takes several times as long; more
 * at a time bring nothing, because the thread pool has four threads.
 */
const batch = 256;

export type StatOptions = {
	/** Treats a file that cannot be asked for like one that does not exist. */
	readonly ignoreErrors?: boolean;
};

/**
 * Yields the entries, in order, with the attributes of their files (of a link itself), a batch at a time. They are
 * undefined for a file that does not exist, and for an entry without a path; any other error is thrown in the turn of
 * its entry.
 */
export async function* withStats<T>(
	entries: readonly T[],
	pathOf: (entry: T) => string | undefined,
	{ignoreErrors = false}: StatOptions = {},
): AsyncGenerator<(readonly [T, Stats | undefined])[]> {
	for (let start = 0; start < entries.length; start += batch) {
		const some = entries.slice(start, start + batch);
		const answers = await ask(some.map(pathOf));
		const found: (readonly [T, Stats | undefined])[] = [];
		for (const [index, entry] of some.entries()) {
			const answer = answers[index];
			if (answer instanceof Error && !ignoreErrors) {
				if (found.length > 0) yield found;
				throw answer;
			}
			found.push([entry, answer instanceof Error ? undefined : answer]);
		}
		yield found;
	}
}

/** Callbacks, because a promise for each file costs as much again as its system call. */
function ask(paths: readonly (string | undefined)[]): Promise<readonly (Stats | Error | undefined)[]> {
	return new Promise(resolve => {
		const answers: (Stats | Error | undefined)[] = [];
		let left = paths.length;
		const settle = () => {
			if (--left === 0) resolve(answers);
		};
		if (left === 0) resolve(answers);
		for (const [index, path] of paths.entries()) {
			if (path === undefined) {
				settle();
				continue;
			}
			lstat(path, (error, stats) => {
				if (error === null) answers[index] = stats;
				else if (error.code !== 'ENOENT') answers[index] = error;
				settle();
			});
		}
	});
}
