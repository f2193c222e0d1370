/**
 * The client of a run's status socket. Everything received is checked and bounded, because the socket may be planted.
 */
import {lstat} from 'node:fs/promises';
import {connect, type Socket} from 'node:net';
import {dirname} from 'node:path';
import type {Listener} from '../core/bus.js';
import {decodeEvent} from '../core/decode-event.js';
import type {RunState} from '../core/run-state.js';
import {decodeSnapshot} from '../core/snapshot.js';
import {reduce} from '../core/state.js';
import {object} from '../lib/decode.js';
import {isTrustedOwner} from '../lib/trusted-file.js';
import {LineReader} from './line-reader.js';
import type {StatusRequest} from './status-socket.js';

export type StatusConnection = {
	readonly state: () => RunState;
	readonly subscribe: (listener: Listener) => () => void;
	readonly request: (request: StatusRequest) => void;
	/** Resolves when the run has closed the connection, or it was lost. */
	readonly ended: Promise<void>;
	readonly close: () => void;
};

/** Bytes of one line: the state of a run of ten thousand databases has a tenth of this. */
const MAX_LINE = 64 << 20;
/** Milliseconds within which a run must send its state; a stopped one (SIGSTOP) never does. */
const RESPONSE_TIMEOUT_MS = 3000;

/**
 * Connects to the socket at `path` and reads the state of its run. Returns undefined when no run answers, or when the
 * socket could have been created by another user than us, root or (for root) the owner of the directory. The caller
 * closes.
 */
export async function connectToRun(path: string): Promise<StatusConnection | undefined> {
	const before = await trustedSocket(path);
	if (before === undefined) return undefined;
	const socket = connect(path);
	const connection = await firstState(socket);
	// The socket could have been replaced between the check and the connection.
	const after = await trustedSocket(path);
	if (connection && after !== undefined && after === before) return connection;
	socket.destroy();
	return undefined;
}

/** Returns the identity of the socket; undefined if there is none that can be trusted. */
async function trustedSocket(path: string): Promise<string | undefined> {
	const stats = await lstat(path).catch(() => undefined); // missing, or not accessible
	if (!stats?.isSocket()) return undefined;
	const isTrusted =
		isTrustedOwner(stats.uid) || (process.geteuid?.() === 0 && stats.uid === (await lstat(dirname(path))).uid);
	return isTrusted ? `${stats.dev}:${stats.ino}:${stats.ctimeMs}` : undefined;
}

function firstState(socket: Socket): Promise<StatusConnection | undefined> {
	const lines = new LineReader(MAX_LINE);
	const listeners = new Set<Listener>();
	let state: RunState | undefined;
	const closed = new Promise<void>(resolve => socket.once('close', () => resolve()));
	const take = (line: string): void => {
		const value: unknown = JSON.parse(line);
		if (state === undefined) {
			state = decodeSnapshot(object({state: (one: unknown) => one})(value, '').state);
			return;
		}
		const event = decodeEvent(value);
		if (event === undefined) return; // of a newer version
		state = reduce(state, event);
		for (const listener of listeners) listener(event, state);
	};
	return new Promise(resolve => {
		const timer = setTimeout(() => socket.destroy(), RESPONSE_TIMEOUT_MS);
		socket.on('error', () => undefined); // 'close' follows
		socket.on('data', (chunk: Buffer) => {
			try {
				for (const line of lines.push(chunk)) take(line);
			} catch {
				socket.destroy(); // the peer is not pg_back
			}
			if (state === undefined) return;
			clearTimeout(timer);
			const first = state;
			resolve({
				state: () => state ?? first,
				subscribe(listener) {
					listeners.add(listener);
					return () => listeners.delete(listener);
				},
				request(request) {
					if (socket.writable) socket.write(`${JSON.stringify(request)}\n`);
				},
				ended: closed,
				close: () => socket.destroy(),
			});
		});
		void closed.then(() => {
			clearTimeout(timer);
			resolve(undefined);
		});
	});
}
