/** Creates files that get their final name only when they are complete. */
import {randomBytes} from 'node:crypto';
import {constants, type Stats} from 'node:fs';
import {chmod, type FileHandle, link, lstat, mkdir, open, readdir, rename, rm, stat, unlink} from 'node:fs/promises';
import {dirname, join, relative} from 'node:path';

/** Hidden, short (names may already have the length NAME_MAX), and unlike any name that a user would choose. */
export const partialPattern = /^\.pg_back-([a-z0-9]{6})-[a-z0-9]{8}\.part$/;

/**
 * Returns a partial path. `run` is the six characters of the run, so that a later run can find the owner of the file.
 */
export function partialPath(finalPath: string, run: string): string {
	return join(dirname(finalPath), `.pg_back-${run}-${randomBytes(4).toString('hex')}.part`);
}

export type PartialFile = {
	readonly path: string;
	readonly handle: FileHandle;
};

/**
 * Creates a partial file next to `finalPath` with exactly `mode`, regardless of the umask, and never through a link.
 * The caller closes the handle and then publishes or discards the file. Missing parents are created. A file system
 * without modes (CIFS, an export with root_squash) rejects the mode: see `setMode`.
 */
export async function createPartial(
	finalPath: string,
	run: string,
	mode: number | undefined,
	onModeRefused?: (error: unknown) => void,
): Promise<PartialFile> {
	const path = partialPath(finalPath, run);
	const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
	let handle: FileHandle | undefined;
	for (let attempt = 1; !handle; attempt++) {
		try {
			handle = await open(path, flags, mode === undefined ? 0o666 : mode & 0o600);
		} catch (error) {
			if (attempt === 6 || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
			await makeParents(path); // another process that removes empty directories may remove them immediately
		}
	}
	try {
		if (mode !== undefined) await setMode(path, mode & 0o777, {handle, onModeRefused});
	} catch (error) {
		await handle.close();
		await discardPartial(path);
		throw error;
	}
	return {path, handle};
}

/** Directories in which the file system rejected a mode (CIFS, vfat, NFS with root_squash), until they are reported. */
const modeRefusals = new Set<string>();

/** Returns the directories in which a mode was rejected since the last call. */
export function takeModeRefusals(): readonly string[] {
	const directories = [...modeRefusals];
	modeRefusals.clear();
	return directories;
}

/**
 * Sets the mode of our own file or directory. A mount without modes rejects it: the file keeps the mount's mode, and
 * the directory is recorded for `takeModeRefusals`, or `onModeRefused` is called.
 */
export async function setMode(
	path: string,
	mode: number,
	more: {readonly handle?: FileHandle; readonly onModeRefused?: ((error: unknown) => void) | undefined} = {},
): Promise<void> {
	const {handle, onModeRefused} = more;
	try {
		await (handle ? handle.chmod(mode) : chmod(path, mode));
	} catch (error) {
		if (!refusesModes(error)) throw error;
		if (onModeRefused) onModeRefused(error);
		else recordModeRefusal(path);
	}
}

/** Records, for `takeModeRefusals`, that the mode of the file was rejected. */
export function recordModeRefusal(path: string): void {
	modeRefusals.add(dirname(path));
}

/** Checks an error of fchmod(2): the file system has no modes, or does not let us set them. */
export function refusesModes(error: unknown): boolean {
	return ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'].includes(
		(error as NodeJS.ErrnoException).code ?? '',
	);
}

/** Removes a partial file or directory, if it still exists. */
export async function discardPartial(path: string): Promise<void> {
	await rm(path, {recursive: true, force: true});
}

/**
 * Removes a directory with all that is in it. It is renamed first: no part of it ever looks like all of it, and if this
 * run dies, the next one removes the rest. Does nothing if it is gone.
 */
export async function removeTree(path: string, run: string): Promise<void> {
	const partial = partialPath(path, run);
	try {
		await rename(path, partial);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
		throw error;
	}
	await discardPartial(partial);
}

export type PublishOptions = {readonly replace?: boolean; readonly isDirectory?: boolean; readonly needsLink?: boolean};

/**
 * Renames a flushed partial file or directory to its final name, and flushes the parent directory. With `replace` an
 * existing file is replaced atomically; without, an existing name is an error with code EEXIST and nothing changes.
 * With `needsLink` a file system without hard links is an error too, because a check before the rename leaves a moment
 * in which another process can take the name.
 */
export async function publish(partial: string, finalPath: string, options: PublishOptions = {}): Promise<void> {
	await giveName(partial, finalPath, options);
	await syncDirectory(dirname(finalPath));
}

/** Renames like `publish`, for a caller that renames several files and then flushes each of their directories once. */
export async function giveName(partial: string, finalPath: string, options: PublishOptions = {}): Promise<void> {
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
			if (!lacksHardLinks(error) || options.needsLink) throw error;
			await renameNew(partial, finalPath);
		}
	}
}

/** Checks an error of link(2): the file system has no hard links, or not enough. */
export function lacksHardLinks(error: unknown): boolean {
	return ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK'].includes(
		(error as NodeJS.ErrnoException).code ?? '',
	);
}

/**
 * Renames without replacing, for names that no other process uses at this moment; an existing name is an error with
 * code EEXIST and nothing changes.
 */
export async function renameNew(from: string, to: string): Promise<void> {
	if ((await lstatIfThere(to)) !== undefined) throw existsError(to);
	await rename(from, to);
}

/** Returns an error that names the existing file, which link(2)'s own error does not. */
function existsError(path: string): Error {
	return Object.assign(new Error(`EEXIST: file exists, rename '${path}'`), {
		code: 'EEXIST',
		syscall: 'rename',
		path,
		errno: -17,
	});
}

/** Flushes a directory's entries. Some file systems (CIFS, FUSE) do not support this; the error is then ignored. */
export async function syncDirectory(path: string): Promise<void> {
	const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
	try {
		await handle.sync();
	} catch (error) {
		if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EBADF'].includes((error as NodeJS.ErrnoException).code ?? ''))
			throw error;
	} finally {
		await handle.close();
	}
}

/**
 * Creates missing parents with mode 0700, one by one: Node's recursive mkdir loops forever if the system returns ENOENT
 * although the parent exists, as in /proc.
 */
export async function makeParents(path: string): Promise<void> {
	const missing: string[] = [];
	for (let directory = dirname(path); ; directory = dirname(directory)) {
		try {
			if ((await stat(directory)).isDirectory()) break;
			throw Object.assign(new Error(`ENOTDIR: not a directory, mkdir '${directory}'`), {
				...{code: 'ENOTDIR', syscall: 'mkdir', path: directory, errno: -20},
			});
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || directory === dirname(directory)) throw error;
			missing.push(directory);
		}
	}
	for (const directory of missing.toReversed()) {
		try {
			await mkdir(directory, {mode: 0o700});
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process created it, or it is a dangling link
			if (!(await stat(directory)).isDirectory()) throw error;
		}
	}
}

export async function lstatIfThere(path: string): Promise<Stats | undefined> {
	try {
		return await lstat(path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw error;
	}
}

/**
 * Returns every regular file below `directory`, as relative paths sorted by code unit; links and other kinds are not
 * followed.
 */
export async function filesBelow(directory: string): Promise<string[]> {
	const entries = await readdir(directory, {recursive: true, withFileTypes: true});
	return entries
		.filter(entry => entry.isFile())
		.map(entry => relative(directory, join(entry.parentPath, entry.name)))
		.toSorted((a, b) => (a < b ? -1 : 1));
}
