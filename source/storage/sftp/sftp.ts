import type {Stats} from 'ssh2';
import {isPermanentError, StorageError, type Operation} from '../errors.js';
import {untilAborted} from '../fill.js';
import {fileKeyProblem, keyGuard} from '../keys.js';
import type {ObjectInfo, RemoveResult, Storage} from '../storage.js';
import {authenticationMethods} from './authenticate.js';
import {createConnection, type Session} from './connection.js';
import {describeSftpError, statusOf} from './errors.js';
import {request, run, statIfThere} from './requests.js';
import {resolveSettings, type ResolvedSftp, type SftpContext, type SftpSettings} from './settings.js';
import {closeQuietly, readPipelined} from './transfer.js';
import {removeIfThere, upload} from './upload.js';
import {joinPath, walk} from './walk.js';

export type {SftpContext, SftpSettings} from './settings.js';

/** `settings.connectTimeout` and `keepalive` in milliseconds: 30,000 and 15,000. */
export type OpenSftpSettings = SftpSettings & {readonly connectTimeout?: number; readonly keepalive?: number};

/**
 * A directory on an SSH server. Nothing is connected to before the first operation, and a lost connection is opened again by the
 * next one. Throws PgBackError CONFIG when the settings cannot work: no way to log in, an identity that cannot be read.
 */
export async function openSftp(settings: OpenSftpSettings, context: SftpContext): Promise<Storage> {
	const resolved = await resolveSettings(settings, context);
	await authenticationMethods(resolved, () => undefined);
	const location = locationOf(resolved);
	const {connectTimeout = Math.min(30_000, context.idleTimeout ?? 30_000), keepalive} = settings;
	const connection = createConnection(resolved, {location, log: context.log, connectTimeout, keepalive});
	const {directory} = resolved;
	const failed = (error: unknown, operation: Operation, key?: string) =>
		describeSftpError(error, {operation, location, key});
	const check = keyGuard(location, fileKeyProblem);
	const pathOf = (key: string, operation: Operation): string => {
		check(key, operation);
		return joinPath(directory, key);
	};
	/** Runs one operation; after a time-out the session is not used again, because nobody knows what is still on its way. */
	const perform = async <T>(
		operation: Operation,
		key: string | undefined,
		signal: AbortSignal,
		work: (session: Session) => Promise<T>,
	): Promise<T> => {
		signal.throwIfAborted();
		let session: Session | undefined;
		try {
			session = await connection.session(signal);
			return await work(session);
		} catch (error) {
			if (signal.aborted) {
				if (signal.reason instanceof StorageError) session?.destroy();
				throw signal.reason;
			}
			throw failed(error, operation, key);
		}
	};
	const removeOne = async (key: string, path: string, signal: AbortSignal): Promise<RemoveResult> => {
		try {
			await perform('remove', key, signal, session => untilAborted(removePath(session, path), signal));
			return {key};
		} catch (error) {
			if (signal.aborted || !(error instanceof StorageError) || !isPermanentError(error)) throw error;
			return {key, error};
		}
	};
	return {
		kind: 'sftp',
		location,
		async *list(prefix, {signal, after}) {
			signal.throwIfAborted();
			try {
				const {sftp} = await connection.session(signal);
				for await (const object of walk(sftp, directory, prefix, {signal, after})) yield object;
			} catch (error) {
				signal.throwIfAborted();
				throw failed(error, 'list', prefix === '' ? undefined : prefix);
			}
		},
		async put(key, source, options) {
			options.signal.throwIfAborted();
			const path = pathOf(key, 'upload');
			return perform('upload', key, options.signal, async session => {
				try {
					return await upload(session, path, source, options);
				} catch (error) {
					throw (await isFull(session, error, directory))
						? new StorageError('full', 'no space is left on the server', {cause: error})
						: error;
				}
			});
		},
		async *get(key, {signal, offset = 0}) {
			signal.throwIfAborted();
			const path = pathOf(key, 'download');
			try {
				yield* download(await connection.session(signal), path, offset, signal);
			} catch (error) {
				signal.throwIfAborted();
				throw failed(error, 'download', key);
			}
		},
		stat: (key, {signal}) =>
			perform('inspect', key, signal, async ({sftp}): Promise<ObjectInfo | undefined> => {
				const stats = await untilAborted(statIfThere(sftp, pathOf(key, 'inspect')), signal);
				return stats?.isFile() ? {key, size: stats.size, modified: stats.mtime * 1000, metadata: {}} : undefined;
			}),
		async remove(keys, {signal}) {
			const paths = keys.map(key => ({key, path: pathOf(key, 'remove')}));
			const results: RemoveResult[] = [];
			// Requests of one batch travel together; the server answers them one by one.
			for (let at = 0; at < paths.length; at += 64) {
				results.push(...(await Promise.all(paths.slice(at, at + 64).map(one => removeOne(one.key, one.path, signal)))));
			}
			return results;
		},
		cleanup: (prefix, {signal, olderThan}) =>
			perform('clean up', undefined, signal, async session => {
				const removed: string[] = [];
				for await (const {key, modified} of walk(session.sftp, directory, '', {signal, partials: true})) {
					const folder = key.slice(0, key.lastIndexOf('/') + 1);
					if (!folder.startsWith(prefix) && !key.startsWith(prefix)) continue;
					if (modified === undefined || modified >= olderThan) continue;
					await removeIfThere(session, joinPath(directory, key));
					removed.push(key);
				}
				return removed;
			}),
		isPermanent: isPermanentError,
		close: connection.close,
	};
}

/** A file, or a directory that is empty: what is left of a directory dump. Servers say "failure" to `unlink` of a directory. */
async function removePath(session: Session, path: string): Promise<void> {
	const {sftp} = session;
	try {
		await removeIfThere(session, path);
	} catch (error) {
		const status = statusOf(error);
		if (status === undefined || !(await statIfThere(sftp, path))?.isDirectory()) throw error;
		try {
			await run(done => sftp.rmdir(path, done));
		} catch (cause) {
			if (statusOf(cause) !== 4) throw cause;
			throw new StorageError('invalid', 'it is a directory, and something is left in it', {cause});
		}
	}
}

async function* download(
	session: Session,
	path: string,
	offset: number,
	signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
	const {sftp} = session;
	const handle = await untilAborted(
		request<Buffer>(done => sftp.open(path, 'r', done)),
		signal,
	);
	try {
		const stats = await request<Stats>(done => sftp.fstat(handle, done));
		if (!stats.isFile()) throw new StorageError('invalid', 'it is not a regular file');
		yield* readPipelined(session, handle, offset, stats.size, signal);
	} finally {
		await closeQuietly(session, handle);
	}
}

/** OpenSSH says "failure" to a write that finds no space: the file system itself knows better. */
async function isFull({sftp, offers, isOpen}: Session, error: unknown, directory: string): Promise<boolean> {
	if (statusOf(error) !== 4 || !isOpen() || !offers('statvfs@openssh.com')) return false;
	const {f_bavail: blocks} = await request<{f_bavail: number}>(done =>
		sftp.ext_openssh_statvfs(directory || '.', done as never),
	);
	return blocks === 0;
}

/** `sftp://host:port/directory/`; a directory that begins where the session starts is written with `~`. */
function locationOf({hostIdentity, directory}: ResolvedSftp): string {
	const {host, port} = hostIdentity;
	const name = host.includes(':') ? `[${host}]` : host;
	const path = directory.startsWith('/') ? directory : directory === '' ? '' : `/~/${directory}`;
	return `sftp://${name}${port === 22 ? '' : `:${port}`}${path}`.replace(/\/?$/, '/');
}
