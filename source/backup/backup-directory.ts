/** Checks that files can be created in a backup directory, and suggests a fix if not. */
import {access, constants, stat, statfs} from 'node:fs/promises';
import {userInfo} from 'node:os';
import {dirname, resolve} from 'node:path';
import {isSystemError, PgBackError, systemReason} from '../core/errors.js';
import {lstatIfThere} from '../lib/files.js';
import {shownCommand} from '../lib/shown-command.js';

/** Returns undefined when `directory` is writable or can be created. Changes nothing. */
export async function directoryProblem(directory: string): Promise<PgBackError | undefined> {
	let existing = resolve(directory);
	try {
		existing = await nearestExisting(directory);
		if (!(await stat(existing)).isDirectory()) return directoryError(directory, `${existing} is not a directory`);
		if (pseudoFileSystems.has((await statfs(existing)).type))
			return directoryError(directory, `${existing} is on a kernel file system that cannot hold files`);
		await access(existing, constants.W_OK | constants.X_OK);
		return undefined;
	} catch (error) {
		if (!isSystemError(error)) throw error;
		const what = existing === resolve(directory) ? 'cannot be written' : `cannot be created in ${existing}`;
		return directoryError(directory, `it ${what}: ${systemReason(error)}`);
	}
}

/** Returns the error of a run that cannot write to its directory, whether found by a check or by a failed write. */
export function directoryError(directory: string, why: string, cause?: unknown): PgBackError {
	const path = resolve(directory);
	const make = shownCommand(['install', '-d', '-o', userName(), '-m', '700', path]);
	return new PgBackError('FILE_SYSTEM', `backup directory ${path} cannot be used: ${why}`, {
		cause,
		hint: `run as root: ${make}, or name another directory with -b`,
	});
}

/** Returns the user name, or the number of an account that the system does not know, which chown accepts too. */
function userName(): string {
	try {
		return userInfo().username;
	} catch {
		return String(process.getuid?.() ?? 'postgres');
	}
}

/**
 * Returns the absolute path of `directory`, or of the nearest parent that exists, in which it will be created. A dangling
 * link exists: nothing can be created in its place.
 */
export async function nearestExisting(directory: string): Promise<string> {
	let existing = resolve(directory);
	while ((await lstatIfThere(existing)) === undefined && existing !== '/') existing = dirname(existing);
	return existing;
}

/** proc and sysfs (linux/magic.h): root seems to have write permission there, but writing fails. */
const pseudoFileSystems: ReadonlySet<number> = new Set([0x9fa0, 0x62656572]);
