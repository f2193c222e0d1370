import {messageOf, PgBackError} from '../../core/errors.js';
import {type Fault, networkFault, type Operation, StorageError, storageError} from '../errors.js';

/** Status codes of the SFTP protocol; those from 9 on are of later versions, which some servers send nevertheless. */
const faultOfStatus: Readonly<Record<number, Fault>> = {
	2: 'missing',
	3: 'forbidden',
	4: 'server',
	5: 'server',
	6: 'network',
	7: 'network',
	8: 'unsupported',
	10: 'missing',
	11: 'exists',
	12: 'forbidden',
	14: 'full',
	15: 'full',
	16: 'forbidden',
	20: 'invalid',
};

const textOfStatus: Readonly<Record<number, string>> = {2: 'no such file or directory', 3: 'permission denied'};

export type Where = {readonly operation: Operation; readonly location: string; readonly key?: string};

/** Returns the protocol's status of an error, such as 3 for permission denied. */
export function statusOf(error: unknown): number | undefined {
	const {code} = (error ?? {}) as {code?: unknown};
	return typeof code === 'number' ? code : undefined;
}

/**
 * Converts any failure of an operation to a StorageError; errors that are not the server's (an abort, an error of the
 * source) are returned unchanged.
 */
export function describeSftpError(error: unknown, where: Where): unknown {
	if (error instanceof StorageError) {
		if (error.message.startsWith('could not ')) return error;
		return storageError(error.fault, where, error.message, {cause: error, hint: error.hint});
	}
	if (error instanceof PgBackError || !(error instanceof Error)) return error;
	const status = statusOf(error);
	if (status !== undefined) {
		const {fault, reason} = statusFault(error, status);
		return storageError(fault, where, reason, {cause: error});
	}
	const network = networkFault(error);
	if (network) return storageError(network.fault, where, network.reason, {cause: error, hint: network.hint});
	if (isConnectionLoss(error)) return storageError('network', where, 'the connection was lost', {cause: error});
	return error;
}

/** Returns the meaning of a server's status. */
export function statusFault(error: Error, status: number): {readonly fault: Fault; readonly reason: string} {
	const fault = saysFull(error) ? 'full' : (faultOfStatus[status] ?? 'server');
	const said = messageOf(error).slice(0, 500);
	if (fault === 'exists') return {fault, reason: 'already exists'};
	if (said === 'Failure') return {fault, reason: 'the server reports only "failure"'};
	return {fault, reason: textOfStatus[status] ?? said.toLowerCase()};
}

/** OpenSSH has no status for a full disk; other servers at least use such words. */
export function saysFull(error: Error): boolean {
	return /no space|disk full|quota/i.test(error.message);
}

/** Returns true for ssh2's errors of requests that a lost connection left without a response. */
function isConnectionLoss(error: Error): boolean {
	return /No response from server|Not connected|Channel (?:closed|open failure)|Keepalive timeout|Connection lost|SFTP.*(?:closed|ended)/i.test(
		error.message,
	);
}

/** The server accepted one login method, and wants another one as well. */
export class PartialLoginError extends Error {
	readonly accepted: readonly string[];
	readonly wanted: readonly string[];

	constructor(accepted: readonly string[], wanted: readonly string[]) {
		super(`the server accepted ${accepted.join(' and ')} and also requires ${wanted.join(' or ')}`);
		this.accepted = accepted;
		this.wanted = wanted;
	}
}

/** Explains a failed connection: errors of ssh2 are only texts. */
export function describeConnectError(error: unknown, location: string, {user}: {readonly user: string}): unknown {
	const where = {operation: 'connect to', location} as const;
	if (error instanceof PartialLoginError) {
		return storageError('forbidden', where, error.message, {
			cause: error,
			hint: error.wanted.includes('publickey')
				? 'set the key with sftp_identity'
				: 'set the password in PGBK_SSH_PASS (with sftp_identity it also opens an encrypted key)',
		});
	}
	const described = describeSftpError(error, where);
	if (described !== error || error instanceof PgBackError || !(error instanceof Error)) return described;
	const said = error.message.replace(/^(?:getConnection|connect|sftp)\b[^:]*: */i, '');
	if (/authentication methods failed/i.test(said)) {
		return storageError('forbidden', where, `the server accepts none of the available ways to log in as ${user}`, {
			cause: error,
			hint: 'check sftp_user, sftp_identity and PGBK_SSH_PASS, and that the public key is in authorized_keys',
		});
	}
	if (/no matching (?:host key|key exchange|.*cipher|.*MAC)/i.test(said)) {
		return storageError('unsupported', where, said, {
			cause: error,
			hint: 'the server supports only algorithms that are too old or too new',
		});
	}
	if (/unable to start subsystem|subsystem/i.test(said)) {
		return storageError('unsupported', where, 'the server does not provide sftp', {
			cause: error,
			hint: 'enable "Subsystem sftp" in its sshd_config',
		});
	}
	if (/timed out|timeout/i.test(said))
		return storageError('timeout', where, 'the server does not respond', {cause: error});
	return storageError('network', where, said, {cause: error});
}
