import {messageOf, PgBackError} from '../../core/errors.js';
import {networkFault, storageError, StorageError, type Fault, type Operation} from '../errors.js';

/** Status codes of the SFTP protocol; those from 9 on are of later versions, which some servers send all the same. */
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
};

const textOfStatus: Readonly<Record<number, string>> = {2: 'no such file or directory', 3: 'permission denied'};

export type Where = {readonly operation: Operation; readonly location: string; readonly key?: string};

/** The protocol's own status of an error, such as 3 for permission denied. */
export function statusOf(error: unknown): number | undefined {
	const {code} = (error ?? {}) as {code?: unknown};
	return typeof code === 'number' ? code : undefined;
}

/** Any failure of an operation as one of ours; what nobody knows (an abort, the source's own failure) stays what it is. */
export function describeSftpError(error: unknown, where: Where): unknown {
	if (error instanceof StorageError) {
		if (error.message.startsWith('could not ')) return error;
		return storageError(error.fault, where, error.message, {cause: error, hint: error.hint});
	}
	if (error instanceof PgBackError || !(error instanceof Error)) return error;
	const status = statusOf(error);
	if (status !== undefined) {
		const fault = saysFull(error) ? 'full' : (faultOfStatus[status] ?? 'server');
		if (fault === 'exists') return storageError(fault, where, 'it exists already', {cause: error});
		const said = messageOf(error);
		const reason =
			textOfStatus[status] ?? (said === 'Failure' ? 'the server says no more than "failure"' : said.toLowerCase());
		return storageError(fault, where, reason, {cause: error});
	}
	const network = networkFault(error);
	if (network) return storageError(network.fault, where, network.reason, {cause: error, hint: network.hint});
	if (isConnectionLoss(error)) return storageError('network', where, 'the connection was lost', {cause: error});
	return error;
}

/** OpenSSH has no status for a full disk; others at least say so in words. */
function saysFull(error: Error): boolean {
	return /no space|disk full|quota/i.test(error.message);
}

/** What ssh2 says of requests that a lost connection left without an answer. */
function isConnectionLoss(error: Error): boolean {
	return /No response from server|Not connected|Channel (?:closed|open failure)|Keepalive timeout|Connection lost|SFTP.*(?:closed|ended)/i.test(
		error.message,
	);
}

/** Why there is no session: errors of ssh2 come as texts only. */
export function describeConnectError(error: unknown, location: string, user: string): unknown {
	const where = {operation: 'connect to', location} as const;
	const described = describeSftpError(error, where);
	if (described !== error || !(error instanceof Error)) return described;
	const said = error.message.replace(/^(?:getConnection|connect|sftp)\b[^:]*: */i, '');
	if (/authentication methods failed/i.test(said)) {
		return storageError('forbidden', where, `the server lets ${user} in by none of the methods that we have`, {
			cause: error,
			hint: 'check sftp_user, sftp_identity and PGBK_SSH_PASS, and that the public key stands in authorized_keys',
		});
	}
	if (/no matching (?:host key|key exchange|.*cipher|.*MAC)/i.test(said)) {
		return storageError('unsupported', where, said, {
			cause: error,
			hint: 'the server offers only algorithms that are too old or too new',
		});
	}
	if (/unable to start subsystem|subsystem/i.test(said)) {
		return storageError('unsupported', where, 'the server offers no sftp', {
			cause: error,
			hint: 'enable "Subsystem sftp" in its sshd_config',
		});
	}
	if (/timed out/i.test(said)) return storageError('timeout', where, 'the server does not answer', {cause: error});
	return storageError('network', where, said, {cause: error});
}
