/** Renames an uploaded file to its final name, and checks it. */
import {StorageError} from '../errors.js';
import {sizeText} from '../proof.js';
import type {PutOptions} from '../storage.js';
import type {Session} from './connection.js';
import {statusOf} from './errors.js';
import {isThere, lstatIfThere, unlinkIfThere} from './requests.js';

/** The server does not allow any way to rename an unfinished file. */
export class RenameRefusedError extends StorageError {}

/**
 * Renames the file. `posix-rename@openssh.com` replaces atomically. The plain rename of SFTP never replaces (OpenSSH
 * uses a hard link), which is what `ifAbsent` needs; if it is rejected, a hard link or the other rename may work.
 * Throws RenameRefusedError when nothing does.
 */
export async function publish(
	session: Session,
	partial: string,
	path: string,
	{ifAbsent = false, atomic = false}: Pick<PutOptions, 'ifAbsent' | 'atomic'>,
): Promise<void> {
	const {requests, offers} = session;
	const refused = async (attempt: Promise<void>): Promise<Error | undefined> => {
		try {
			await attempt;
			return undefined;
		} catch (error) {
			if (statusOf(error) === undefined) throw error;
			return error as Error;
		}
	};
	const replaces = offers('posix-rename@openssh.com');
	if (!ifAbsent && replaces && !(await refused(requests.renameOver(partial, path)))) return;
	const failure = await refused(requests.rename(partial, path));
	if (failure === undefined) return;
	if (!(await isThere(requests, partial))) {
		// Nothing else moves it: the server did what it calls a failure.
		if (await isThere(requests, path)) return;
		throw failure;
	}
	if (await isThere(requests, path)) {
		if (ifAbsent) throw new StorageError('exists', 'already exists');
		await requests.unlink(path);
		await requests.rename(partial, path);
		return;
	}
	if (offers('hardlink@openssh.com') && !(await refused(requests.link(partial, path)))) {
		await requests.unlink(partial);
		return;
	}
	// There is nothing to be replaced.
	if (ifAbsent && !atomic && replaces && !(await refused(requests.renameOver(partial, path)))) return;
	throw new RenameRefusedError('unsupported', 'the server rejects the rename', {cause: failure});
}

/** The remote file is not what was sent. It is removed if possible. */
export class DamagedError extends StorageError {}

/**
 * Throws DamagedError unless there is a regular file of `size` bytes under its name. A file of another size is removed
 * when it is certainly the one that was just renamed; otherwise the error names it.
 */
export async function checkPublished(
	{requests}: Session,
	{name, path}: {readonly name: string; readonly path: string},
	size: number,
): Promise<void> {
	const there = await lstatIfThere(requests, path);
	if (there?.size === size && (there.kind === 'file' || there.kind === undefined)) return;
	const isMoved = name !== path;
	const left = isMoved ? await lstatIfThere(requests, name) : undefined;
	if (left) await unlinkIfThere(requests, name);
	const what =
		there === undefined
			? 'the server confirmed the upload, but the file does not exist'
			: there.kind !== undefined && there.kind !== 'file'
				? 'it is not a regular file'
				: there.size === undefined
					? 'the server does not report the size of the file'
					: sizeText(there.size, size);
	// While the unfinished file still exists, the other one is not ours.
	const isOurs = there !== undefined && left === undefined && there.kind !== 'directory';
	const removed = isOurs && (await isRemoved(requests, path));
	const rest = there === undefined || removed ? '' : ', and it could not be removed';
	throw new DamagedError('corrupt', `${what}${rest}`, {hint: 'check the disk of the server, then upload again'});
}

async function isRemoved(requests: Session['requests'], path: string): Promise<boolean> {
	try {
		await unlinkIfThere(requests, path);
		return (await lstatIfThere(requests, path)) === undefined;
	} catch (error) {
		if (statusOf(error) === undefined) throw error;
		return false;
	}
}
