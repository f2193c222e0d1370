/** Files that have their final name only when they are whole. */
import {randomBytes} from 'node:crypto';
import {constants, type Stats} from 'node:fs';
import {link, lstat, mkdir, open, readdir, rename, rm, unlink, type FileHandle} from 'node:fs/promises';
import {dirname, join, relative} from 'node:path';

/** Hidden, short (names may already fill NAME_MAX), and told apart from anything that a person makes. */
export const partialPattern = /^\.pg_back-([a-z0-9]{6})-[a-z0-9]{8}\.part$/;

/** `run` is the run's own six characters, so that a later run can tell whose it was. */
export function partialPath(finalPath: string, run: string): string {
	return join(dirname(finalPath), `.pg_back-${run}-${randomBytes(4).toString('hex')}.part`);
}

export type PartialFile = {
	readonly path: string;
	readonly handle: FileHandle;
};

/**
 * Creates a new partial file beside `finalPath` with exactly `mode`, whatever the umask grants, and never through a link. The
 * caller closes the handle and then publishes or discards. Missing parents are made.
 */
export async function createPartial(finalPath: string, run: string, mode: number | undefined): Promise<PartialFile> {
	const path = partialPath(finalPath, run);
	const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
	let handle: FileHandle | undefined;
	for (let attempt = 1; !handle; attempt++) {
		try {
			handle = await open(path, flags, mode === undefined ? 0o666 : mode & 0o600);
		} catch (error) {
			if (attempt === 6 || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
			await makeParents(path); // they may vanish again at once: another process removes empty ones
		}
	}
	if (mode !== undefined) await handle.chmod(mode & 0o777);
	return {path, handle};
}

/** Removes a partial file or directory; it may already be gone. */
export async function discardPartial(path: string): Promise<void> {
	await rm(path, {recursive: true, force: true});
}

/**
 * Gives a flushed partial file or directory its final name, and flushes the directory. With `replace` an existing file is
 * replaced in one step; without, an existing name is an error with code EEXIST and nothing changes.
 */
export async function publish(
	partial: string,
	finalPath: string,
	options: {readonly replace?: boolean; readonly isDirectory?: boolean} = {},
): Promise<void> {
	const isDirectory = options.isDirectory ?? (await lstat(partial)).isDirectory();
	if (options.replace && !isDirectory) await rename(partial, finalPath);
	else if (isDirectory) await renameNew(partial, finalPath);
	else {
		try {
			await link(partial, finalPath);
			await unlink(partial);
		} catch (error) {
			const code = (error as NodeJS.ErrnoException).code ?? '';
			if (code === 'EEXIST') throw existsError(finalPath);
			if (!lacksHardLinks(error)) throw error;
			await renameNew(partial, finalPath);
		}
	}
	await syncDirectory(dirname(finalPath));
}

/** Of link(2): the file system has no hard links, or not enough. */
export function lacksHardLinks(error: unknown): boolean {
	return ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** For names that nobody else wants at this moment; an existing one is an error with code EEXIST and nothing changes. */
export async function renameNew(from: string, to: string): Promise<void> {
	if ((await lstatIfThere(to)) !== undefined) throw existsError(to);
	await rename(from, to);
}

/** Names the file that is in the way, which link(2)'s own error does not. */
function existsError(path: string): Error {
	return Object.assign(new Error(`EEXIST: file exists, rename '${path}'`), {
		code: 'EEXIST',
		syscall: 'rename',
		path,
		errno: -17,
	});
}

/** Flushes a directory's entries. Some file systems refuse to (EINVAL): there is then nothing to be done. */
export async function syncDirectory(path: string): Promise<void> {
	const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
	try {
		await handle.sync();
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
	} finally {
		await handle.close();
	}
}

/** Creates missing parents with mode 0700 (5, behaviour of the dump directories). */
export async function makeParents(path: string): Promise<void> {
	await mkdir(dirname(path), {recursive: true, mode: 0o700});
}

export async function lstatIfThere(path: string): Promise<Stats | undefined> {
	try {
		return await lstat(path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw error;
	}
}

/** Every regular file below `directory`, relative, sorted by code unit; links and other kinds are not followed. */
export async function filesBelow(directory: string): Promise<string[]> {
	const entries = await readdir(directory, {recursive: true, withFileTypes: true});
	return entries
		.filter(entry => entry.isFile())
		.map(entry => relative(directory, join(entry.parentPath, entry.name)))
		.toSorted((a, b) => (a < b ? -1 : 1));
}
