import {type Dirent} from 'node:fs';
import {readdir} from 'node:fs/promises';
import {compareUtf8} from '../../lib/compare-utf8.js';
import {partialPattern} from '../../lib/files.js';
import {withStats} from '../../lib/stat-files.js';
import {entryDate} from '../listed-entry.js';
import type {StorageObject} from '../storage.js';
import type {Paths} from './paths.js';

export type WalkOptions = {
	readonly signal: AbortSignal;
	readonly after?: string | undefined;
	/** Lists the unfinished files instead of the finished ones. */
	readonly partials?: boolean;
	/** Called with each skipped entry: symbolic links, pipes, devices, and names that are not valid text. */
	readonly onLeftOut?: (key: string, reason: string) => void;
};

/** Yields regular files with keys that begin with `prefix`, in byte order; one directory at a time is in memory. */
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
	const directory = paths.of(folder);
	const parent = directory.endsWith('/') ? directory : `${directory}/`;
	const isWanted = ({key, entry}: Child) =>
		!entry.isDirectory() &&
		key.startsWith(prefix) &&
		(after === undefined || compareUtf8(key, after) > 0) &&
		(!entry.isFile() || partialPattern.test(entry.name) === (options.partials ?? false));
	const wanted = (await children(paths, folder)).filter(child => child.entry.isDirectory() || isWanted(child));
	const pathOf = ({entry}: Child) => (entry.isFile() ? parent + entry.name : undefined);
	for await (const found of withStats(wanted, pathOf)) {
		for (const [{key, entry}, stats] of found) {
			signal.throwIfAborted();
			if (entry.isDirectory()) {
				const passed = after !== undefined && compareUtf8(`${key}\u{10FFFF}`, after) <= 0;
				if (!passed && (key.startsWith(prefix) || prefix.startsWith(key)))
					yield* walkBelow(paths, key, prefix, options);
			} else if (!entry.isFile())
				options.onLeftOut?.(key, entry.isSymbolicLink() ? 'a symbolic link' : 'not a regular file');
			else if (stats?.isFile()) yield {key, size: stats.size, ...entryDate(stats.mtimeMs)};
			else if (key.includes('\u{FFFD}')) options.onLeftOut?.(key, 'its name is not valid UTF-8');
		}
	}
}

type Child = {readonly key: string; readonly entry: Dirent};

/** Names of directories have a trailing slash, so that sorting gives the order of whole keys. */
async function children(paths: Paths, folder: string): Promise<Child[]> {
	let entries: Dirent[];
	try {
		entries = await readdir(paths.of(folder), {withFileTypes: true});
	} catch (error) {
		// Removed since its parent was read: another process removes empty directories. The root itself must exist.
		const {code} = error as NodeJS.ErrnoException;
		if (folder !== '' && code === 'ENOENT') return [];
		// Reserved by the system at the root of a file system.
		if (folder === 'lost+found/' && code === 'EACCES') return [];
		throw error;
	}
	return entries
		.map(entry => ({key: `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`, entry}))
		.toSorted((a, b) => compareUtf8(a.key, b.key));
}
