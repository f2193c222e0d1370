/**
 * Runs programs under another account when we are root, if they must not run as root or if they read untrusted data.
 */
import {readFile} from 'node:fs/promises';
import {PgBackError} from '../core/errors.js';

export type Account = {readonly uid: number; readonly gid: number};

/**
 * Returns the first existing account with one of these names; undefined when we are not root. Throws FAILED when none
 * exists; `what` is used in that message.
 */
export async function accountOf(names: readonly string[], what: string): Promise<Account | undefined> {
	if (process.getuid?.() !== 0) return undefined;
	const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map(line => line.split(':'));
	for (const name of names) {
		const [, , uid, gid] = accounts.find(([account]) => account === name) ?? [];
		if (uid !== undefined && gid !== undefined && uid !== '0') return {uid: Number(uid), gid: Number(gid)};
	}
	throw new PgBackError('FAILED', `${what} cannot run as root, and there is no user ${names.join(' or ')}`, {
		hint: 'run it as another user',
	});
}

/**
 * Returns the command to run under that account, without our groups. It is killed with us: changing the account resets
 * what `startChild` has set.
 */
export function asAccount(
	account: Account | undefined,
	command: string,
	args: readonly string[],
	deathSignal = 'TERM',
): [string, readonly string[]] {
	if (!account) return [command, args];
	const change = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--pdeathsig', deathSignal];
	return ['setpriv', [...change, '--', command, ...args]];
}
