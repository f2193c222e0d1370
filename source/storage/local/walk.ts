import {type Dirent} from 'node:fs';
import {readdir} from 'node:fs/promises';
import {lstatIfThere, partialPattern} from '../../lib/files.js';
import {compareKeys} from '../keys.js';
import type {StorageObject} from '../storage.js';
import type {Paths} from './paths.js';

export type WalkOptions = {
	readonly signal: AbortSignal;
	readonly after?: string;
	/** The unfinished files instead of the finished ones. */
	readonly partials?: boolean;
};

/** Regular files whose key begins with `prefix`, in the order of their bytes; one directory at a time is in memory. */
export async function* walk(paths: Paths, prefix: string, options: WalkOptions): AsyncGenerator<StorageObject> {
	yield* walkBelow(paths, '', prefix, options);
}

async function* walkBelow(
	paths: Paths,
	folder: string,
	prefix: string,
	options: WalkOptions,
): AsyncGenerator<StorageObject> {
	const {signal, after} = options;
	signal.throwIfAborted();
	for (const {key, entry} of await children(paths, folder)) {
		signal.throwIfAborted();
		if (entry.isDirectory()) {
			const passed = after !== undefined && compareKeys(`${key}\u{10FFFF}`, after) <= 0;
			if (!passed && (key.startsWith(prefix) || prefix.startsWith(key))) yield* walkBelow(paths, key, prefix, options);
			continue;
		}
		if (!key.startsWith(prefix) || !entry.isFile() || (after !== undefined && compareKeys(key, after) <= 0)) continue;
		if (partialPattern.test(entry.name) !== (options.partials ?? false)) continue;
		const stats = await lstatIfThere(paths.of(key));
		if (stats) yield {key, size: stats.size, modified: stats.mtimeMs};
	}
}

/** With a slash behind the names of directories, so that sorting gives the order of whole keys. */
async function children(paths: Paths, folder: string): Promise<{readonly key: string; readonly entry: Dirent}[]> {
	let entries: Dirent[];
	try {
		entries = await readdir(paths.of(folder), {withFileTypes: true});
	} catch (error) {
		// Gone since its parent was read: another process removes what is empty. The root itself must be there.
		if (folder !== '' && (error as NodeJS.ErrnoException).code === 'ENOENT') return [];
		throw error;
	}
	return entries
		.map(entry => ({key: `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`, entry}))
		.toSorted((a, b) => compareKeys(a.key, b.key));
}
