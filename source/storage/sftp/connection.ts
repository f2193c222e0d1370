/** One SSH connection with one SFTP channel: opened when it is first needed, and anew after it was lost. */
import type {Socket} from 'node:net';
import SftpClient from 'ssh2-sftp-client';
import type {CipherAlgorithm, ServerHostKeyAlgorithm, SFTPWrapper} from 'ssh2';
import {StorageError} from '../errors.js';
import {untilAborted} from '../fill.js';
import {authenticationMethods, type Log} from './authenticate.js';
import {describeConnectError} from './errors.js';
import {hostKeyTypes, prepareHostKeyCheck} from './host-keys.js';
import {keyType} from './known-hosts.js';
import type {ResolvedSftp} from './settings.js';
import {connectGathering, keepKeyObjects} from './swift.js';

export type Session = {
	readonly sftp: SFTPWrapper;
	/** Whether the server offers an extension, such as `fsync@openssh.com`. */
	readonly offers: (extension: string) => boolean;
	/** Bytes that one write or read request may carry. */
	readonly largestRequest: number;
	readonly isOpen: () => boolean;
	/** Ends it at once; every request without an answer fails. */
	readonly destroy: () => void;
};

export type Connection = {
	readonly session: (signal: AbortSignal) => Promise<Session>;
	readonly close: () => Promise<void>;
};

export type ConnectionOptions = {
	readonly location: string;
	readonly log: Log;
	/** Milliseconds until there is a session; 30,000 by default. */
	readonly connectTimeout?: number;
	/** Milliseconds between two questions whether the server is still there (15,000); after four without an answer it is not. */
	readonly keepalive?: number;
};

export function createConnection(settings: ResolvedSftp, options: ConnectionOptions): Connection {
	let current: Promise<Session> | undefined;
	let closed = false;
	return {
		async session(signal) {
			if (closed) throw new StorageError('network', 'the storage is closed');
			const opened = current && (await untilAborted(current, signal).catch(rethrowAbort(signal)));
			if (opened?.isOpen()) return opened;
			// Somebody else may have begun to open it while we waited.
			if (opened !== undefined || current === undefined) current = openSession(settings, options);
			const mine = current;
			try {
				return await untilAborted(mine, signal);
			} catch (error) {
				if (!signal.aborted && current === mine) current = undefined;
				throw error;
			}
		},
		async close() {
			closed = true;
			const session = await current?.catch(() => undefined);
			session?.destroy();
		},
	};
}

/** A connection that somebody else failed to open is tried once more by us; our own abort is told. */
function rethrowAbort(signal: AbortSignal) {
	return (error: unknown): undefined => {
		if (signal.aborted) throw error;
		return undefined;
	};
}

async function openSession(settings: ResolvedSftp, options: ConnectionOptions): Promise<Session> {
	const {location, log} = options;
	if (settings.hostKeys.kind === 'ignore') {
		log(
			'warn',
			`sftp: the host key of ${settings.host} is NOT checked (sftp_ignore_hostkey): anybody on the way can read and change what is sent`,
		);
	}
	const authHandler = await authenticationMethods(settings, log);
	const seen = new Set<string>();
	for (;;) {
		const hostKeys = await prepareHostKeyCheck(settings.hostKeys, settings.hostIdentity, seen);
		let refusal: Error | undefined;
		const hostVerifier = (key: Buffer): boolean => {
			refusal = hostKeys.check(key);
			if (refusal) seen.add(keyType(key) ?? '');
			return refusal === undefined;
		};
		try {
			return await openOnce(settings, options, {
				authHandler,
				hostVerifier,
				algorithms: {serverHostKey: hostKeys.algorithms as ServerHostKeyAlgorithm[], cipher: [...ciphers]},
			});
		} catch (error) {
			// The fingerprint may be that of another key of this host: ask for each type before giving up.
			const more = settings.hostKeys.kind === 'fingerprint' && hostKeyTypes.some(type => !seen.has(type));
			if (refusal && more) continue;
			if (settings.hostKeys.kind === 'fingerprint' && seen.size > 0 && !refusal)
				refusal = wrongKeys(settings, seen, error);
			throw refusal ?? describeConnectError(error, location, settings.user);
		}
	}
}

function wrongKeys(settings: ResolvedSftp, seen: ReadonlySet<string>, error: unknown): Error | undefined {
	if (!(error instanceof Error) || !/no matching host key/i.test(error.message)) return undefined;
	return new StorageError(
		'forbidden',
		`sftp: none of the host keys of ${settings.host} (${[...seen].join(', ')}) has the fingerprint of sftp_host_key_fingerprint`,
		{
			hint: 'check it with the administrator of the host; print it there with: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
			cause: error,
		},
	);
}

/** Those that the processor helps with first: chacha20 costs twice as much here. */
const ciphers: readonly CipherAlgorithm[] = [
	'aes128-gcm@openssh.com',
	'aes256-gcm@openssh.com',
	'aes128-ctr',
	'aes192-ctr',
	'aes256-ctr',
	'chacha20-poly1305@openssh.com',
];

type Handshake = Pick<SftpClient.ConnectOptions, 'authHandler' | 'hostVerifier' | 'algorithms'>;

async function openOnce(settings: ResolvedSftp, options: ConnectionOptions, handshake: Handshake): Promise<Session> {
	const {connectTimeout = 30_000, keepalive = 15_000} = options;
	const socket = connectGathering({host: settings.host, port: settings.port, noDelay: true, keepAlive: true});
	let failure: Error | undefined;
	const failed = new Promise<never>((_resolve, reject) => {
		socket.once('error', error => {
			failure ??= error;
			reject(error);
		});
		socket.once('close', () => reject(failure ?? new Error('the server closed the connection')));
	});
	failed.catch(() => undefined); // told through the race below, or by the requests that fail
	const timer = setTimeout(
		() =>
			socket.destroy(
				new StorageError('timeout', `the server does not answer within ${Math.round(connectTimeout / 1000)} s`),
			),
		connectTimeout,
	);
	const client = new SftpClient('pg_back', {
		error: (error: unknown) => {
			failure ??= error as Error;
			socket.destroy();
		},
		end: () => socket.destroy(),
		close: () => socket.destroy(),
	});
	client.on('handshake', () => keepKeyObjects((client as unknown as {client?: Internals}).client?._protocol));
	try {
		const connected = client.connect({
			sock: socket,
			username: settings.user,
			readyTimeout: connectTimeout,
			keepaliveInterval: keepalive,
			keepaliveCountMax: 4,
			...handshake,
		});
		connected.catch(() => undefined);
		const sftp = await Promise.race([connected, failed]);
		return describeSession(sftp, socket);
	} catch (error) {
		socket.destroy();
		throw failure ?? error;
	} finally {
		clearTimeout(timer);
	}
}

/** ssh2 keeps the keys, and the limits and the extensions of the server to itself. */
type Internals = {
	readonly _protocol?: unknown;
	readonly _extensions?: Readonly<Record<string, string>>;
	readonly _maxWriteLen?: number;
	readonly _maxReadLen?: number;
};

function describeSession(sftp: SFTPWrapper, socket: Socket): Session {
	const internals = sftp as unknown as Internals;
	let open = true;
	const end = () => {
		open = false;
	};
	socket.once('close', end);
	sftp.once('close', end);
	sftp.once('error', () => socket.destroy());
	return {
		sftp,
		offers: extension => internals._extensions?.[extension] !== undefined,
		largestRequest: Math.min(internals._maxWriteLen ?? 32_768, internals._maxReadLen ?? 32_768),
		isOpen: () => open && !socket.destroyed,
		destroy: () => socket.destroy(),
	};
}
