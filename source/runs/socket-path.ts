/**
 * The path of a run's status socket: next to its lock, or in a private directory of the user if that is not possible.
 */
import {lstat, mkdir, readdir, unlink} from 'node:fs/promises';
import {connect} from 'node:net';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import type {Environment} from '../lib/environment.js';
import {isPrivateDirectory, isTrustedOwner} from '../lib/trusted-file.js';

/** Matches names with the six characters of the run, as in the name of its lock. */
export const socketPattern = /^\.pg_back-([a-z0-9]{6})\.sock$/;

function socketName(tag: string): string {
	return `.pg_back-${tag}.sock`;
}

/** Returns the path of the socket of the run with these six characters, if it is in this directory. */
export function socketIn(directory: string, tag: string): string {
	return join(resolve(directory), socketName(tag));
}

/**
 * Maximum length of a socket's address in bytes: sockaddr_un has 108 on Linux and 104 on macOS, including the final
 * zero.
 */
export const longestAddress = process.platform === 'linux' ? 107 : 103;

/** The candidates for a private directory, in order, for sockets that cannot be placed next to their locks. */
function fallbackDirectories(env: Environment, uid: number): readonly string[] {
	const runtime = env['XDG_RUNTIME_DIR'];
	return [
		...(runtime?.startsWith('/') ? [join(runtime, 'pg_back')] : []),
		join(env['TMPDIR']?.startsWith('/') ? env['TMPDIR'] : tmpdir(), `pg_back-${uid}`),
	];
}

/**
 * Yields the private directories, creating missing ones. Directories that another user could have created or could
 * change are skipped.
 */
export async function* ownDirectories(env: Environment): AsyncGenerator<string> {
	const uid = process.geteuid?.() ?? -1;
	for (const directory of fallbackDirectories(env, uid)) {
		await mkdir(directory, {mode: 0o700}).catch(() => undefined); // exists already, or cannot be created: checked below
		if (await isPrivateDirectory(directory)) yield directory;
	}
}

/** Returns the paths at which the socket of a run of `uid` may be. */
export function socketCandidates(directory: string, tag: string, env: Environment, uid: number): readonly string[] {
	const elsewhere = [...fallbackDirectories(env, uid), `/run/user/${uid}/pg_back`, `/tmp/pg_back-${uid}`];
	return [socketIn(directory, tag), ...new Set(elsewhere.map(one => socketIn(one, tag)))];
}

/**
 * Removes our sockets that nothing listens on: their runs were killed. For sockets of root, which we may not connect
 * to, `hasNoLock` returns whether the run with these six characters has ended.
 */
export async function sweepSockets(
	directory: string,
	hasNoLock: (tag: string) => Promise<boolean> = () => Promise.resolve(false),
): Promise<void> {
	for (const name of await readdir(directory)) {
		const tag = socketPattern.exec(name)?.[1];
		if (tag === undefined) continue;
		const path = join(directory, name);
		const stats = await lstat(path).catch(() => undefined); // removed in the meantime
		if (!stats?.isSocket() || !isTrustedOwner(stats.uid)) continue;
		const refusal = await refusalOf(path);
		const isDead = refusal === 'ECONNREFUSED' || (refusal === 'EACCES' && (await hasNoLock(tag)));
		if (isDead) await unlink(path).catch(() => undefined); // harmless if it stays
	}
}

function refusalOf(path: string): Promise<string | undefined> {
	return new Promise(resolve => {
		const socket = connect(path, () => {
			socket.destroy();
			resolve(undefined);
		});
		socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
	});
}
