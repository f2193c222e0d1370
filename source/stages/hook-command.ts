/** Checks that the program of a hook can be started, before a run and for `--dry-run`, which starts none. */
import {access, constants, stat} from 'node:fs/promises';
import {isAbsolute, join} from 'node:path';
import {isSystemError, PgBackError, systemReason} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';

/** Throws HOOK_FAILED, as the hook itself would. An empty list means no hook. */
export async function checkHookCommand([command]: readonly string[], env: Environment): Promise<void> {
	if (command === undefined) return;
	const reason = await whyNot(command, env);
	if (reason === undefined) return;
	throw new PgBackError('HOOK_FAILED', `hook command failed: cannot run ${command}: ${reason}`, {
		hint: `check the path and the permissions of ${command}`,
	});
}

async function whyNot(command: string, {PATH}: Environment): Promise<string | undefined> {
	if (isAbsolute(command) || command.includes('/')) return problemOf(command);
	const reasons: (string | undefined)[] = [];
	for (const directory of (PATH ?? '').split(':')) reasons.push(await problemOf(join(directory || '.', command)));
	return reasons.includes(undefined) ? undefined : (reasons.find(one => !absent.includes(one ?? '')) ?? absent[0]);
}

/** Errors for an entry of PATH that does not contain the program. */
const absent = ['no such file or directory', 'not a directory'];

async function problemOf(path: string): Promise<string | undefined> {
	try {
		await access(path, constants.X_OK);
		return (await stat(path)).isFile() ? undefined : 'permission denied';
	} catch (error) {
		if (!isSystemError(error)) throw error;
		return systemReason(error);
	}
}
