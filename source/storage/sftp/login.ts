/** Logs in to one SSH host, directly or through another one, and checks its key. */
import type {Socket} from 'node:net';
import type {Duplex} from 'node:stream';
import ssh2, {
	type CipherAlgorithm,
	type Client,
	type ConnectConfig,
	type ServerHostKeyAlgorithm,
	type SFTPWrapper,
} from 'ssh2';
import SftpClient from 'ssh2-sftp-client';
import {messageOf} from '../../core/errors.js';
import {StorageError} from '../errors.js';
import {type Authentication, authenticationMethods, createAuthentication, type Log} from './authenticate.js';
import {PartialLoginError} from './errors.js';
import {hostKeyTypes, prepareHostKeyCheck} from './host-keys.js';
import {keyType} from './known-hosts.js';
import type {ResolvedHop} from './settings.js';
import {connectBatchingWrites, keepKeyObjects} from './ssh2-tuning.js';

/** Opens a stream to a host. */
export type Dial = () => Promise<Duplex>;

export type LoginControl = {
	readonly log: Log;
	/** Milliseconds. */
	readonly connectTimeout: number;
	/** Milliseconds. */
	readonly keepalive: number;
	/** Ends the reading of key files. */
	readonly signal: AbortSignal;
};

type Address = Pick<ResolvedHop, 'host' | 'port'>;

/**
 * Returns a function that connects directly. The user of the stream waits for the connection and reports its failure.
 */
export function dialTcp({host, port}: Address, timeout: number, onSocket?: (socket: Socket) => void): Dial {
	return () => {
		const socket = connectBatchingWrites({host, port, noDelay: true, keepAlive: true});
		onSocket?.(socket);
		const late = new StorageError('timeout', `the server does not respond within ${Math.round(timeout / 1000)} s`);
		const timer = setTimeout(() => socket.destroy(late), timeout);
		socket.once('connect', () => clearTimeout(timer));
		socket.once('close', () => clearTimeout(timer));
		return Promise.resolve(socket);
	};
}

/** Returns a function that connects through a host that we are logged in to (`ssh -W`). */
export function dialThrough(client: Client, {host, port}: Address, timeout: number): Dial {
	return () =>
		new Promise((resolve, reject) => {
			const fail = (reason: string) => () =>
				reject(new StorageError('network', `the jump host cannot reach ${host}:${port}: ${reason}`));
			const timer = setTimeout(fail('no answer'), timeout);
			client.once('close', fail('the connection to it was lost'));
			client.forwardOut('127.0.0.1', 0, host, port, (error, stream) => {
				clearTimeout(timer);
				if (error) fail(error.message.replace(/^\(SSH\) /, '').toLowerCase())();
				else resolve(stream);
			});
		});
}

type StreamConfig = ConnectConfig & {readonly sock: Duplex};

/**
 * Starts a session over the stream in `config`. Resolves when it is usable; later failures go to `onFailure`, which
 * ends the stream.
 */
type Start<T> = (config: StreamConfig, onFailure: (error: Error) => void) => Promise<T>;

/** Starts a session with a jump host, which need not offer SFTP. The caller ends the client. */
export const startJump: Start<Client> = (config, onFailure) =>
	new Promise((resolve, reject) => {
		const client = new ssh2.Client();
		const fail = (error: Error) => {
			onFailure(error);
			reject(error);
		};
		// Later failures make the requests fail.
		client.on('error', fail);
		client.once('close', () => fail(connectionClosed()));
		client.on('handshake', () => keepKeyObjects((client as unknown as Internals)._protocol));
		client.once('ready', () => resolve(client));
		client.connect(config);
	});

export type SftpSession = {
	readonly client: SftpClient;
	/** For requests for which the client has no method, or none that keeps the server's message. */
	readonly sftp: SFTPWrapper;
	/** Destroying it ends the session; its end is the end of the session. */
	readonly stream: Duplex;
};

/**
 * Starts a session with the host that stores the files: connection, login and SFTP channel. The caller destroys the
 * stream.
 */
export async function startSftp(config: StreamConfig, onFailure: (error: Error) => void): Promise<SftpSession> {
	const onEnd = () => onFailure(connectionClosed());
	const client = new SftpClient('pg_back', {error: error => onFailure(error as Error), end: onEnd, close: onEnd});
	const internals = client as unknown as {readonly client?: Internals};
	client.on('handshake', () => keepKeyObjects(internals.client?._protocol));
	try {
		return {client, sftp: await client.connect(config), stream: config.sock};
	} catch (error) {
		throw /Unexpected (?:end|close) event/.test(messageOf(error)) ? connectionClosed() : error;
	}
}

type Internals = {readonly _protocol?: unknown};

function connectionClosed(): Error {
	return new Error('the server closed the connection');
}

/** Throws the error of ssh2, or PgBackError for a host key that is not accepted. */
export async function login<T>(hop: ResolvedHop, dial: Dial, control: LoginControl, start: Start<T>): Promise<T> {
	const candidates = await authenticationMethods(hop, control);
	const seen = new Set<string>();
	for (;;) {
		const hostKeys = await prepareHostKeyCheck(hop.hostKeys, hop.hostIdentity, {signal: control.signal, exclude: seen});
		let refusal: Error | undefined;
		const hostVerifier = (key: Buffer): boolean => {
			refusal = hostKeys.check(key);
			if (refusal) seen.add(keyType(key) ?? '');
			return refusal === undefined;
		};
		const authentication = createAuthentication(hop.user, candidates);
		try {
			const serverHostKey = hostKeys.algorithms as ServerHostKeyAlgorithm[];
			const handshake = {...control, authentication, hostVerifier, serverHostKey};
			return await loginOnce(hop, await dial(), handshake, start);
		} catch (error) {
			// The fingerprint may belong to another key of this host: request each type before giving up.
			const more = hop.hostKeys.kind === 'fingerprint' && hostKeyTypes.some(type => !seen.has(type));
			if (refusal && more) continue;
			if (hop.hostKeys.kind === 'fingerprint' && seen.size > 0 && !refusal) refusal = wrongKeys(hop, seen, error);
			throw refusal ?? withPartial(error, authentication);
		}
	}
}

function withPartial(error: unknown, authentication: Authentication): unknown {
	const partial = authentication.partial();
	const isRefusal = error instanceof Error && /authentication methods failed/i.test(error.message);
	return partial && isRefusal ? new PartialLoginError(partial.accepted, partial.wanted) : error;
}

function wrongKeys(hop: ResolvedHop, seen: ReadonlySet<string>, error: unknown): Error | undefined {
	if (!(error instanceof Error) || !/no matching host key/i.test(error.message)) return undefined;
	return new StorageError(
		'forbidden',
		`sftp: none of the host keys of ${hop.host} (${[...seen].join(', ')}) matches sftp_host_key_fingerprint`,
		{
			hint: 'check it with the administrator of the host; print it there with: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
			cause: error,
		},
	);
}

/** Ciphers with hardware support first: chacha20 costs twice as much here. */
const ciphers: readonly CipherAlgorithm[] = [
	'aes128-gcm@openssh.com',
	'aes256-gcm@openssh.com',
	'aes128-ctr',
	'aes192-ctr',
	'aes256-ctr',
	'chacha20-poly1305@openssh.com',
];

type Handshake = LoginControl & {
	readonly authentication: Authentication;
	readonly hostVerifier: (key: Buffer) => boolean;
	readonly serverHostKey: ServerHostKeyAlgorithm[];
};

function loginOnce<T>(hop: ResolvedHop, stream: Duplex, handshake: Handshake, start: Start<T>): Promise<T> {
	const {connectTimeout, keepalive, authentication, hostVerifier, serverHostKey} = handshake;
	return new Promise((resolve, reject) => {
		let failure: Error | undefined;
		const late = new StorageError(
			'timeout',
			`the server does not respond within ${Math.round(connectTimeout / 1000)} s`,
		);
		const timer = setTimeout(() => fail(late), connectTimeout);
		const fail = (error: Error) => {
			failure ??= error;
			clearTimeout(timer);
			stream.destroy();
			reject(failure);
		};
		stream.once('error', fail);
		stream.once('close', () => fail(connectionClosed()));
		const config = {
			sock: stream,
			username: hop.user,
			readyTimeout: connectTimeout,
			keepaliveInterval: keepalive,
			keepaliveCountMax: 4,
			authHandler: authentication.next,
			hostVerifier,
			algorithms: {serverHostKey, cipher: [...ciphers]},
		};
		start(config, fail).then(session => {
			clearTimeout(timer);
			resolve(session);
		}, fail);
	});
}
