/** One SSH connection with one SFTP channel: opened when first needed, and again after it was lost. */
import type {Socket} from 'node:net';
import type {Client} from 'ssh2';
import {untilAborted} from '../../lib/until-aborted.js';
import {StorageError} from '../errors.js';
import type {Log} from './authenticate.js';
import {describeConnectError} from './errors.js';
import {type Dial, dialTcp, dialThrough, login, type SftpSession, startJump, startSftp} from './login.js';
import {createRequests, type Requests} from './requests.js';
import type {ResolvedHop, ResolvedSftp} from './settings.js';

export type Session = {
	readonly requests: Requests;
	/** Returns whether the server supports an extension, such as `fsync@openssh.com`. */
	readonly offers: (extension: string) => boolean;
	/** Maximum bytes of one write or read request. */
	readonly largestRequest: number;
	readonly isOpen: () => boolean;
	/** Closes the connection immediately; every request without a response fails. */
	readonly destroy: () => void;
};

export type Connection = {
	readonly session: (signal: AbortSignal) => Promise<Session>;
	readonly close: () => Promise<void>;
};

export type ConnectionOptions = {
	readonly location: string;
	readonly log: Log;
	/** Milliseconds until the login to one host must succeed; 30,000 by default. */
	readonly connectTimeout?: number;
	/** Milliseconds between two keepalive requests (15,000); after four without a response the connection is lost. */
	readonly keepalive?: number;
	/** Called with each TCP connection when it is made. */
	readonly onSocket?: ((socket: Socket) => void) | undefined;
};

export function createConnection(settings: ResolvedSftp, options: ConnectionOptions): Connection {
	let current: Promise<Session> | undefined;
	// Ends what may wait for longer than a login: a pipe as a key file.
	const closing = new AbortController();
	return {
		async session(signal) {
			if (closing.signal.aborted) throw new StorageError('network', 'the storage is closed');
			const opened = current && (await untilAborted(current, signal).catch(rethrowAbort(signal)));
			if (opened?.isOpen()) return opened;
			// Another operation may have started to open it in the meantime.
			if (opened !== undefined || current === undefined) current = openSession(settings, options, closing.signal);
			const mine = current;
			try {
				return await untilAborted(mine, signal);
			} catch (error) {
				if (!signal.aborted && current === mine) current = undefined;
				throw error;
			}
		},
		async close() {
			closing.abort(new StorageError('network', 'the storage is closed'));
			const session = await current?.catch(() => undefined);
			session?.destroy();
		},
	};
}

/** A connection that another operation failed to open is retried once; our own abort is an error. */
function rethrowAbort(signal: AbortSignal) {
	return (error: unknown): undefined => {
		if (signal.aborted) throw error;
		return undefined;
	};
}

async function openSession(settings: ResolvedSftp, options: ConnectionOptions, signal: AbortSignal): Promise<Session> {
	const {location, log, connectTimeout = 30_000, keepalive = 15_000} = options;
	if (settings.hostKeys.kind === 'ignore') {
		log(
			'warn',
			`sftp: the host key of ${settings.host} is NOT verified (sftp_ignore_hostkey): anyone on the network path can read and change the data`,
		);
	}
	const jumps: Client[] = [];
	const destroyJumps = () => {
		for (const client of jumps.toReversed()) client.destroy();
	};
	const control = {log, connectTimeout, keepalive, signal};
	try {
		let dial: Dial = dialTcp(settings.jumps[0] ?? settings, connectTimeout, options.onSocket);
		for (const [index, jump] of settings.jumps.entries()) {
			const client = await described(login(jump, dial, control, startJump), jump, jumpName(jump));
			jumps.push(client);
			dial = dialThrough(client, settings.jumps[index + 1] ?? settings, connectTimeout);
		}
		return describeSession(
			await described(login(settings, dial, control, startSftp), settings, location),
			destroyJumps,
		);
	} catch (error) {
		destroyJumps();
		throw describeConnectError(error, location, {user: settings.user});
	}
}

async function described<T>(session: Promise<T>, {user}: ResolvedHop, location: string): Promise<T> {
	try {
		return await session;
	} catch (error) {
		throw describeConnectError(error, location, {user});
	}
}

function jumpName({host, port}: ResolvedHop): string {
	return `the jump host ${host.includes(':') ? `[${host}]` : host}${port === 22 ? '' : `:${port}`}`;
}

/** ssh2 does not expose the limits and the extensions of the server. */
type Internals = {
	readonly _extensions?: Readonly<Record<string, string>>;
	readonly _maxWriteLen?: number;
	readonly _maxReadLen?: number;
};

function describeSession({client, sftp, stream}: SftpSession, destroyJumps: () => void): Session {
	const internals = sftp as unknown as Internals;
	const waiting = new Set<() => void>();
	let open = true;
	const end = () => {
		open = false;
		for (const one of [...waiting]) one();
		waiting.clear();
		stream.destroy();
		destroyJumps();
	};
	stream.once('close', end);
	sftp.once('close', end);
	sftp.once('end', end);
	sftp.once('error', end); // the response was not SFTP
	return {
		requests: createRequests(
			{client, sftp},
			() => open,
			one => {
				waiting.add(one);
				return () => waiting.delete(one);
			},
		),
		offers: extension => internals._extensions?.[extension] !== undefined,
		largestRequest: Math.min(positive(internals._maxWriteLen), positive(internals._maxReadLen)),
		isOpen: () => open,
		destroy: end,
	};
}

/** Returns a limit that the server gave, or a value that every server supports. */
function positive(limit: number | undefined): number {
	return limit !== undefined && limit >= 1024 ? limit : 32_768;
}
