/**
 * The socket on which a run sends its state and its events, and accepts requests to cancel and to retry. Clients never
 * slow down or stop the run: one that does not read is disconnected.
 */
import {chmodSync} from 'node:fs';
import {lstat, mkdir, rename, rm, rmdir, unlink} from 'node:fs/promises';
import {createServer, type Server, type Socket} from 'node:net';
import {basename, dirname, join, resolve} from 'node:path';
import type {EventBus} from '../core/bus.js';
import {isSystemError, messageOf, systemReason} from '../core/errors.js';
import {takeSnapshot} from '../core/snapshot.js';
import {DecodeError, object, oneOf, optional, string} from '../lib/decode.js';
import type {Environment} from '../lib/environment.js';
import {lstatIfThere, partialPath} from '../lib/files.js';
import {LineReader} from './line-reader.js';
import {longestAddress, ownDirectories, socketIn, sweepSockets} from './socket-path.js';

export type StatusRequest =
	{readonly type: 'cancel'; readonly job?: string} | {readonly type: 'retry'; readonly job: string};

export type StatusSocketOptions = {
	/** The directory of the run's lock. */
	readonly directory: string;
	/** The six characters of the run. */
	readonly tag: string;
	readonly env: Environment;
	readonly bus: Pick<EventBus, 'state' | 'subscribe'>;
	/** Called for requests of authorized users: the same user, or root. */
	readonly onRequest: (request: StatusRequest) => void;
};

export type StatusSocket = {
	readonly path: string;
	/**
	 * Removes the socket file and closes the connections; clients that have not read everything after a short time are
	 * disconnected.
	 */
	readonly close: () => Promise<void>;
};

/** Maximum number of connections, more than users and scripts need. */
const MAX_CLIENTS = 16;
/** Bytes that may be queued for one client, in addition to the initial state. */
const MAX_BACKLOG = 4 << 20;
/** Maximum bytes of one request. */
const MAX_REQUEST = 64 << 10;
/** Milliseconds that clients get to read the remaining data after the run has ended. */
const DRAIN_MS = 500;

/** Opens the socket. Throws an error with the reasons if no path works. The caller closes. */
export async function openStatusSocket(options: StatusSocketOptions): Promise<StatusSocket> {
	const {bus, onRequest} = options;
	const clients = new Map<Socket, number>();
	const server = createServer(socket => {
		if (clients.size >= MAX_CLIENTS) return void socket.destroy();
		serve(socket);
	});
	const unsubscribe = bus.subscribe(event => {
		if (clients.size === 0) return;
		const line = `${JSON.stringify(event)}\n`;
		for (const [socket, backlog] of clients) {
			if (socket.writableLength > backlog + MAX_BACKLOG) socket.destroy();
			else socket.write(line);
		}
	});
	const serve = (socket: Socket): void => {
		socket.unref();
		socket.on('error', () => undefined); // disconnected: 'close' follows
		socket.on('close', () => clients.delete(socket));
		const state = `${JSON.stringify({type: 'state', schema: 1, state: takeSnapshot(bus.state())})}\n`;
		clients.set(socket, Buffer.byteLength(state));
		socket.write(state);
		const lines = new LineReader(MAX_REQUEST);
		socket.on('data', (chunk: Buffer) => {
			try {
				for (const line of lines.push(chunk)) onRequest(parseRequest(line));
			} catch {
				socket.destroy(); // the peer does not use our protocol
			}
		});
	};
	let path: string;
	try {
		path = await listen(server, options);
	} catch (error) {
		unsubscribe();
		server.close();
		throw error;
	}
	server.on('error', () => undefined); // one connection could not be accepted
	server.unref();
	const {ino} = await lstat(path);
	return {
		path,
		async close() {
			unsubscribe();
			// Another run may have removed the file, and a third one may use the name now.
			if ((await lstatIfThere(path).catch(() => undefined))?.ino === ino) await unlink(path).catch(() => undefined);
			server.close();
			await Promise.all([...clients.keys()].map(async socket => endOf(socket)));
		},
	};
}

function endOf(socket: Socket): Promise<void> {
	return new Promise(resolve => {
		const timer = setTimeout(() => socket.destroy(), DRAIN_MS);
		socket.once('close', () => {
			clearTimeout(timer);
			resolve();
		});
		socket.end(() => socket.destroy());
	});
}

const request = object({type: oneOf('cancel', 'retry'), job: optional(string)});

function parseRequest(line: string): StatusRequest {
	const {type, job} = request(JSON.parse(line), '');
	if (type === 'cancel') return {type, ...(job !== undefined && {job})};
	if (job === undefined) throw new DecodeError('job', 'string');
	return {type, job};
}

/** Listens next to the lock if possible, otherwise in a private directory of the user. */
async function listen(server: Server, {directory, tag, env}: StatusSocketOptions): Promise<string> {
	const reasons: string[] = [];
	const attempt = async (path: string): Promise<boolean> => {
		try {
			await listenAt(server, path, tag);
			return true;
		} catch (error) {
			reasons.push(`${dirname(path)}: ${isSystemError(error) ? systemReason(error) : messageOf(error)}`);
			return false;
		}
	};
	const preferred = socketIn(directory, tag);
	if (await attempt(preferred)) return preferred;
	for await (const own of ownDirectories(env)) {
		const path = socketIn(own, tag);
		await sweepSockets(own);
		if (await attempt(path)) return path;
	}
	throw new Error(reasons.join('; '));
}

/**
 * Binds in a private directory, and renames the socket when its mode is set, so that nobody else can connect in
 * between. A leftover of a killed process has the name of a partial file, which the next run removes.
 */
async function listenAt(server: Server, path: string, tag: string): Promise<void> {
	const room = partialPath(resolve(path), tag);
	const address = join(room, 's');
	if (Math.max(Buffer.byteLength(address), Buffer.byteLength(path)) > longestAddress)
		throw new Error(`the path of a socket may have ${longestAddress} bytes, ${basename(path)} there has more`);
	await mkdir(room, {mode: 0o700});
	try {
		await new Promise<void>((resolve, reject) => {
			server.once('error', reject);
			server.listen(address, () => {
				server.off('error', reject);
				resolve();
			});
		});
		chmodSync(address, 0o600);
		await rename(address, path);
	} catch (error) {
		await new Promise(resolve => server.close(resolve));
		throw error;
	} finally {
		// Empty unless binding failed: rmdir loads no code for trees.
		await rmdir(room).catch(async () => rm(room, {recursive: true, force: true}));
	}
}
