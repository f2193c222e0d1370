import {rmdir} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {lstatIfThere} from '../../lib/files.js';
import {type Operation, storageError} from '../errors.js';
import {fileKeyProblem, keyGuard} from '../object-keys.js';

export type Paths = {
	readonly root: string;
	/** Returns the path without any check. */
	readonly of: (key: string) => string;
	/** Returns the path of a key below the root without symbolic links in it; throws a StorageError otherwise. */
	readonly checked: (key: string, operation: Operation) => Promise<string>;
	/** Removes the directories above a removed file that are now empty, below the root. */
	readonly removeEmptyParents: (key: string) => Promise<void>;
};

export function createPaths(root: string): Paths {
	const of = (key: string) => join(root, key);
	const check = keyGuard(root, fileKeyProblem);
	return {
		root,
		of,
		async checked(key, operation) {
			check(key, operation);
			for (const parent of parentsOf(key)) {
				const stats = await lstatIfThere(of(parent));
				if (stats === undefined) break;
				if (stats.isSymbolicLink()) {
					throw storageError('invalid', {operation, location: root, key}, `${parent} is a symbolic link`);
				}
			}
			return of(key);
		},
		async removeEmptyParents(key) {
			for (const parent of parentsOf(key).toReversed()) {
				try {
					await rmdir(of(parent));
				} catch (error) {
					const {code = ''} = error as NodeJS.ErrnoException;
					if (code === 'ENOENT') continue;
					if (['ENOTEMPTY', 'EEXIST', 'EACCES', 'EPERM', 'EBUSY', 'EROFS', 'ENOTDIR'].includes(code)) return; // not removed
					throw error;
				}
			}
		},
	};
}

/** Returns `a`, `a/b` for `a/b/c`. */
function parentsOf(key: string): string[] {
	const parents: string[] = [];
	for (let at = dirname(key); at !== '.' && at !== '/'; at = dirname(at)) parents.unshift(at);
	return parents;
}
