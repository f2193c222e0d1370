import {statfs} from 'node:fs/promises';
import {dirname, resolve} from 'node:path';

/** Bytes that can be written to the file system of a directory, which need not exist yet; undefined where that cannot be told. */
export async function freeSpace(directory: string): Promise<number | undefined> {
	for (let path = resolve(directory); ; path = dirname(path)) {
		try {
			const {bavail, bsize} = await statfs(path);
			return bavail * bsize;
		} catch {
			// Not there yet, or closed to us: its parent is on the same file system, or will be.
			if (dirname(path) === path) return undefined;
		}
	}
}
