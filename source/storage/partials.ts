/** Unfinished files of stores with directories, and which of them may be removed. */
import {randomInt} from 'node:crypto';
import {basename} from 'node:path';
import {partialPattern} from '../lib/files.js';
import type {CleanupOptions, StorageObject} from './storage.js';

/** Returns six characters like those of a run, for use without a run. */
export function randomRun(): string {
	return Array.from({length: 6}, () => randomInt(36).toString(36)).join('');
}

/**
 * Returns whether an unfinished file should be removed: its run is known to be dead or, without a list of runs, it is
 * older than `olderThan`. A file of unknown age is kept.
 */
export function isAbandonedPartial(
	{key, modified}: Pick<StorageObject, 'key' | 'modified'>,
	prefix: string,
	{runs, olderThan}: CleanupOptions,
): boolean {
	const folder = key.slice(0, key.lastIndexOf('/') + 1);
	if (!key.startsWith(prefix) && !folder.startsWith(prefix)) return false;
	const run = partialPattern.exec(basename(key))?.[1];
	if (run === undefined) return false;
	if (runs) return runs.has(run);
	return modified !== undefined && modified < olderThan;
}
