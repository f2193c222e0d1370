import {untilAborted} from '../../lib/until-aborted.js';
import {fileVersion, isPermanentError, type Operation, replacedError, StorageError} from '../errors.js';
import {leftOutLog} from '../left-out.js';
import {completeEntries} from '../listed-entry.js';
import {fileKeyProblem, keyGuard} from '../object-keys.js';
import {isAbandonedPartial, randomRun} from '../partials.js';
import {removeEach} from '../remove-each.js';
import type {GetOptions, ObjectInfo, PutOptions, PutResult, PutSource, RemoveResult, Storage} from '../storage.js';
import {authenticationMethods} from './authenticate.js';
import {createConnection, type Session} from './connection.js';
import {describeSftpError, statusOf} from './errors.js';
import {checkParents, joinPath} from './paths.js';
import {closeQuietly, lstatIfThere, unlinkForGood, unlinkIfThere} from './requests.js';
import {type ResolvedSftp, resolveSettings, type SftpContext, type SftpSettings} from './settings.js';
import {readPipelined} from './transfer.js';
import {partialOfJournal, settleRename, type TargetTraits, upload, type UploadTarget} from './upload.js';
import {walk} from './walk.js';

export type {SftpContext, SftpSettings} from './settings.js';

/** `settings.connectTimeout` and `keepalive` in milliseconds: 30,000 and 15,000. */
export type OpenSftpSettings = SftpSettings & {readonly connectTimeout?: number; readonly keepalive?: number};

/**
 * Opens a directory on an SSH server. It connects at the first operation, and again after a lost connection. Symbolic
 * links below the directory are not followed. Throws PgBackError CONFIG for unusable settings: no login method, an
 * unreadable identity.
 */
export async function openSftp(settings: OpenSftpSettings, context: SftpContext): Promise<Storage> {
	const resolved = await resolveSettings(settings, context);
	await checkLogins(resolved, context.signal);
	const location = locationOf(resolved);
	const {connectTimeout = Math.min(30_000, context.idleTimeout ?? 30_000), keepalive} = settings;
	const connection = createConnection(resolved, {...context, location, connectTimeout, keepalive});
	const {directory} = resolved;
	const runTag = context.run ?? randomRun();
	const traits: TargetTraits = {renames: true, unfinished: new Set(), unanswered: new Map()};
	const warn = (text: string) => context.log('warn', `sftp: ${text}`);
	const onLeftOut = leftOutLog(context.log, location);
	// The walk has already asked for what the listing did not contain.
	const complete = {location, log: context.log, seen: new Set<string>(), sizeOf: async () => noSize()};
	const failed = (error: unknown, operation: Operation, key?: string) =>
		describeSftpError(error, {operation, location, key});
	const check = keyGuard(location, fileKeyProblem);
	const pathOf = (key: string, operation: Operation): string => {
		check(key, operation);
		return joinPath(directory, key);
	};
	const perform = createPerform(connection, failed);
	const removeOne = async (key: string, signal: AbortSignal): Promise<RemoveResult> => {
		try {
			const path = pathOf(key, 'remove');
			await perform('remove', key, signal, session => untilAborted(removePath(session, directory, key, path), signal));
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
			try {
				const session = await connection.session(signal);
				yield* completeEntries(walk(session, directory, prefix, {signal, after, onLeftOut}), complete);
			} catch (error) {
				signal.throwIfAborted();
				throw failed(error, 'list', prefix === '' ? undefined : prefix);
			}
		},
		async put(key, source, options) {
			options.signal.throwIfAborted();
			const target = {path: pathOf(key, 'upload'), run: runTag, directory, traits, warn};
			const within = <T>(work: (session: Session) => Promise<T>) => perform('upload', key, options.signal, work);
			return put(within, target, {key, source, options});
		},
		async *get(key, options) {
			options.signal.throwIfAborted();
			const path = pathOf(key, 'download');
			try {
				const session = await connection.session(options.signal);
				yield* download(session, {directory, key, path}, options, replacedError(location, key));
			} catch (error) {
				options.signal.throwIfAborted();
				throw failed(error, 'download', key);
			}
		},
		stat: (key, {signal}) =>
			perform('inspect', key, signal, async ({requests}) =>
				inspectPath(requests, {directory, key, path: pathOf(key, 'inspect')}, signal),
			),
		async remove(keys, options) {
			for (const key of keys) check(key, 'remove');
			// The requests of a group are sent together; the server answers them one by one.
			return removeEach(keys, 64, key => removeOne(key, options.signal), options);
		},
		cleanup: (prefix, options) =>
			perform('clean up', undefined, options.signal, session => removePartials(session, directory, prefix, options)),
		isPermanent: isPermanentError,
		close: connection.close,
	};
}

/** Throws for a host to which no method can log in. Each connection reads the keys again, and logs what it skips. */
async function checkLogins(resolved: ResolvedSftp, signal: AbortSignal): Promise<void> {
	for (const hop of [...resolved.jumps, resolved]) await authenticationMethods(hop, {log: () => undefined, signal});
}

function noSize(): never {
	throw new StorageError('unsupported', 'the server does not report its size');
}

/** Uploads in one session, and asks in another one for an upload whose last answer was lost. */
async function put(
	within: <T>(work: (session: Session) => Promise<T>) => Promise<T>,
	target: Omit<UploadTarget, 'hasParent'>,
	{key, source, options}: {readonly key: string; readonly source: PutSource; readonly options: PutOptions},
): Promise<PutResult> {
	const {path, directory, traits} = target;
	try {
		return await within(async session => {
			const moved = await settleRename(session, target, options);
			if (moved) return moved;
			const hasParent = await checkParents(session.requests, directory, key);
			return upload(session, {...target, hasParent}, source, options);
		});
	} catch (error) {
		// A source that cannot be read again has no other attempt.
		if (!traits.unanswered.has(path) || options.signal.aborted) throw error;
		const moved = await within(session => settleRename(session, target, options));
		if (!moved) throw error;
		return moved;
	}
}

type Perform = <T>(
	operation: Operation,
	key: string | undefined,
	signal: AbortSignal,
	work: (session: Session) => Promise<T>,
) => Promise<T>;

/** Runs one operation; after a timeout the session is not used again, because requests may still be pending. */
function createPerform(
	connection: ReturnType<typeof createConnection>,
	failed: (error: unknown, operation: Operation, key?: string) => unknown,
): Perform {
	return async (operation, key, signal, work) => {
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
}

async function inspectPath(
	requests: Session['requests'],
	{directory, key, path}: Wanted,
	signal: AbortSignal,
): Promise<ObjectInfo | undefined> {
	const both = Promise.all([lstatIfThere(requests, path), checkParents(requests, directory, key)]);
	const [stats] = await untilAborted(both, signal);
	if (!stats || (stats.kind !== undefined && stats.kind !== 'file')) return undefined;
	const {size = noSize(), modified} = stats;
	return {key, size, ...(modified !== undefined && {modified}), metadata: {}};
}

/** Removes unfinished files of uploads that no journal names. Returns their keys. */
async function removePartials(
	session: Session,
	directory: string,
	prefix: string,
	options: Parameters<NonNullable<Storage['cleanup']>>[1],
): Promise<string[]> {
	const {signal} = options;
	const kept = new Set((options.keep ?? []).map(partialOfJournal));
	const removed: string[] = [];
	for await (const object of walk(session, directory, '', {signal, partials: true})) {
		const path = joinPath(directory, object.key);
		if (!isAbandonedPartial(object, prefix, options) || kept.has(path)) continue;
		await unlinkForGood(session.requests, path);
		removed.push(object.key);
	}
	return removed;
}

/**
 * Removes a file, or an empty directory left from a directory dump. Servers return "failure" for `unlink` of a
 * directory.
 */
async function removePath(session: Session, directory: string, key: string, path: string): Promise<void> {
	const {requests} = session;
	await checkParents(requests, directory, key);
	try {
		await unlinkIfThere(requests, path);
	} catch (error) {
		if (statusOf(error) === undefined || (await lstatIfThere(requests, path))?.kind !== 'directory') throw error;
		try {
			await requests.removeDirectory(path);
		} catch (cause) {
			if (statusOf(cause) !== 4) throw cause;
			throw new StorageError('invalid', 'it is a directory that is not empty', {cause});
		}
	}
}

type Wanted = {readonly directory: string; readonly key: string; readonly path: string};

async function* download(
	session: Session,
	{directory, key, path}: Wanted,
	{signal, offset = 0, version, onVersion}: GetOptions,
	replaced: StorageError,
): AsyncGenerator<Uint8Array> {
	const {requests} = session;
	// Checks before opening: a link could lead anywhere, and a pipe would never respond.
	const looked = Promise.all([requests.lstat(path), checkParents(requests, directory, key)]);
	const [there] = await untilAborted(looked, signal);
	if (there.kind !== undefined && there.kind !== 'file') throw new StorageError('invalid', 'it is not a regular file');
	const handle = await untilAborted(requests.open(path, 'r'), signal);
	try {
		// Without a size, nothing would show the end of a server that sends for ever.
		const {size = there.size ?? noSize(), modified} = await untilAborted(requests.fstat(handle), signal);
		const found = fileVersion(size, modified);
		if (offset > 0 && version !== undefined && found !== version) throw replaced;
		onVersion?.(found);
		yield* readPipelined(session, handle, {offset, size, signal});
	} finally {
		await closeQuietly(requests, handle);
	}
}

/** Returns `sftp://host:port/directory/`; a directory relative to where the session starts is written with `~`. */
function locationOf({hostIdentity, directory}: ResolvedSftp): string {
	const {host, port} = hostIdentity;
	const name = host.includes(':') ? `[${host}]` : host;
	const path = directory.startsWith('/') ? directory : directory === '' ? '' : `/~/${directory}`;
	return `sftp://${name}${port === 22 ? '' : `:${port}`}${path}`.replace(/\/?$/, '/');
}
