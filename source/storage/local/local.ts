import {createHash} from 'node:crypto';
import {constants} from 'node:fs';
import {type FileHandle, open, stat as statPath, unlink} from 'node:fs/promises';
import {
	describeSystemError,
	isSystemError,
	messageOf,
	PgBackError,
	type SystemError,
	systemReason,
} from '../../core/errors.js';
import {createPartial, discardPartial, lstatIfThere, publish} from '../../lib/files.js';
import {markDisposable, releaseDisposable} from '../../lib/release.js';
import {
	type Fault,
	fileFault,
	fileVersion,
	isPermanentError,
	type Operation,
	replacedError,
	StorageError,
	storageError,
} from '../errors.js';
import {lazyStorage} from '../lazy-storage.js';
import {leftOutLog} from '../left-out.js';
import {completeEntries} from '../listed-entry.js';
import {isAbandonedPartial, randomRun} from '../partials.js';
import {sizeText} from '../proof.js';
import {removeEach} from '../remove-each.js';
import {readWhole} from '../source.js';
import type {
	GetOptions,
	ObjectInfo,
	OpenContext,
	PutOptions,
	PutResult,
	PutSource,
	RemoveResult,
	Storage,
} from '../storage.js';
import {createPaths, type Paths} from './paths.js';
import {walk} from './walk.js';

export type LocalSettings = {
	/** An existing directory, such as the mount point of a NAS; it is never created. */
	readonly directory: string;
	/** The mode of files, such as 0o600 (the default). */
	readonly mode?: number;
};

const chunkSize = 256 * 1024;

export function localLocation({directory}: LocalSettings): string {
	return `${directory.replace(/\/+$/, '')}/`;
}

/** Returns a store that opens at its first use, because an unmounted disk must not prevent a dump. */
export async function openLocalLater(settings: LocalSettings, context: OpenContext): Promise<Storage> {
	const facts = {kind: 'local', location: localLocation(settings), isPermanent: isPermanentError};
	return lazyStorage(facts, () => openLocal(settings, context));
}

/**
 * Opens a local directory. Files get their names when they are complete and flushed, like dumps. Symbolic links below
 * it are not followed.
 */
export async function openLocal(settings: LocalSettings, context: OpenContext): Promise<Storage> {
	const location = localLocation(settings);
	await checkDirectory(location);
	const paths = createPaths(location);
	const mode = settings.mode ?? 0o600;
	const run = context.run ?? randomRun();
	const onLeftOut = leftOutLog(context.log, location);
	const seen = new Set<string>();
	const onModeRefused = modeRefusedLog(mode, location, context.log);
	const failed = (error: unknown, operation: Operation, key?: string) => describe(error, operation, location, key);
	return {
		kind: 'local',
		location,
		async *list(prefix, {signal, after}) {
			try {
				const entries = walk(paths, prefix, {signal, after, onLeftOut});
				// The system reports every size.
				yield* completeEntries(entries, {location, log: context.log, seen, sizeOf: () => Promise.resolve(undefined)});
			} catch (error) {
				throw failed(error, 'list', prefix === '' ? undefined : prefix);
			}
		},
		async put(key, source, options) {
			const target = {key, paths, run, mode, onModeRefused, location};
			return putFile(target, source, options, error => failed(error, 'upload', key));
		},
		async *get(key, options) {
			const path = await paths.checked(key, 'download');
			try {
				yield* read(path, options, replacedError(location, key));
			} catch (error) {
				throw failed(error, 'download', key);
			}
		},
		async stat(key, {signal}): Promise<ObjectInfo | undefined> {
			signal.throwIfAborted();
			try {
				const stats = await lstatIfThere(await paths.checked(key, 'inspect'));
				return stats?.isFile() ? {key, size: stats.size, modified: stats.mtimeMs, metadata: {}} : undefined;
			} catch (error) {
				if (isSystemError(error) && error.code === 'ENOTDIR') return undefined;
				throw failed(error, 'inspect', key);
			}
		},
		remove: (keys, options) =>
			removeEach(
				keys,
				1,
				async (key): Promise<RemoveResult> => {
					options.signal.throwIfAborted();
					try {
						await removeFile(paths, key);
						return {key};
					} catch (error) {
						const failure = failed(error, 'remove', key);
						if (!(failure instanceof StorageError)) throw failure;
						return {key, error: failure};
					}
				},
				options,
			),
		async cleanup(prefix, options) {
			const removed: string[] = [];
			try {
				for await (const object of walk(paths, '', {signal: options.signal, partials: true})) {
					if (!isAbandonedPartial(object, prefix, options)) continue;
					await unlinkIfThere(paths.of(object.key));
					removed.push(object.key);
				}
			} catch (error) {
				throw failed(error, 'clean up');
			}
			return removed;
		},
		isPermanent: isPermanentError,
		close: () => Promise.resolve(),
	};
}

async function checkDirectory(location: string): Promise<void> {
	try {
		if (!(await statPath(location)).isDirectory()) throw new Error('it is not a directory');
	} catch (error) {
		const reason = isSystemError(error) ? describeSystemError(error) : messageOf(error);
		throw new PgBackError('STORAGE', `cannot use the local directory ${location}: ${reason}`, {
			hint: 'create local_directory, or mount its file system: it is never created, so that a missing mount is noticed',
			cause: error,
		});
	}
}

/** Returns a function that warns once that files do not get their mode. */
function modeRefusedLog(mode: number, location: string, log: OpenContext['log']): (error: unknown) => void {
	let warned = false;
	return error => {
		if (warned) return;
		warned = true;
		const reason = isSystemError(error) ? systemReason(error) : messageOf(error);
		const text = `the files in ${location} cannot be given the mode ${mode.toString(8).padStart(4, '0')}: ${reason}`;
		log('warn', `${text} (the mount decides who can read them)`);
	};
}

type Target = {
	readonly key: string;
	readonly paths: Paths;
	readonly location: string;
	/** Part of the partial file's name. */
	readonly run: string;
	readonly mode: number;
	readonly onModeRefused: (error: unknown) => void;
};

async function putFile(
	{key, paths, location, run, mode, onModeRefused}: Target,
	source: PutSource,
	options: PutOptions,
	failed: (error: unknown) => unknown,
): Promise<PutResult> {
	options.signal.throwIfAborted();
	const path = await paths.checked(key, 'upload');
	if (options.ifAbsent && !options.atomic && (await lstatIfThere(path))) throw existing(location, key);
	const partial = await createPartial(path, run, mode, onModeRefused).catch((error: unknown) => {
		throw failed(error);
	});
	try {
		const result = await write(partial.handle, source, options, failed);
		await paths.checked(key, 'upload');
		try {
			await publish(partial.path, path, {replace: !options.ifAbsent, needsLink: options.atomic});
			await checkPublished(path, result.size);
		} catch (error) {
			throw failed(error);
		}
		return result;
	} catch (error) {
		await partial.handle.close();
		await discardPartial(partial.path);
		throw error;
	}
}

/** Writes all bytes, flushes, closes, and compares the size (and the checksum, if known). */
async function write(
	handle: FileHandle,
	source: PutSource,
	options: PutOptions,
	failed: (error: unknown) => unknown,
): Promise<PutResult> {
	const hash = options.sha256 ? createHash('sha256') : undefined;
	let size = 0;
	for await (const chunk of readWhole(source, 0, options.signal)) {
		hash?.update(chunk);
		try {
			for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten;
		} catch (error) {
			throw failed(error);
		}
		size += chunk.length;
		releaseDisposable(chunk);
		options.onProgress?.(size);
	}
	const expected = options.sha256?.();
	if (expected !== undefined && hash && hash.digest('hex') !== expected) {
		throw failed(new StorageError('invalid', 'the data does not match the recorded sha256'));
	}
	try {
		await handle.sync();
		const stats = await handle.stat();
		await handle.close();
		if (stats.size !== size) throw new StorageError('corrupt', sizeText(stats.size, size));
		return {size: stats.size, proof: {by: 'size'}, flushed: true, created: options.ifAbsent};
	} catch (error) {
		throw failed(error);
	}
}

/** Throws `replaced` if the file is another one than that which the download began with. */
async function* read(
	path: string,
	{signal, offset = 0, version, onVersion}: GetOptions,
	replaced: StorageError,
): AsyncGenerator<Uint8Array> {
	// Without O_NONBLOCK opening a pipe would block forever.
	const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
	try {
		const stats = await handle.stat();
		if (!stats.isFile()) throw new StorageError('invalid', 'it is not a regular file');
		const found = fileVersion(stats.size, stats.mtimeMs);
		if (offset > 0 && version !== undefined && found !== version) throw replaced;
		onVersion?.(found);
		for (let at = offset; ;) {
			signal.throwIfAborted();
			const buffer = Buffer.allocUnsafeSlow(chunkSize);
			const {bytesRead} = await handle.read(buffer, 0, chunkSize, at);
			if (bytesRead === 0) return;
			at += bytesRead;
			yield markDisposable(buffer.subarray(0, bytesRead));
		}
	} finally {
		await handle.close();
	}
}

async function removeFile(paths: Paths, key: string): Promise<void> {
	const path = await paths.checked(key, 'remove');
	await unlinkIfThere(path);
	await paths.removeEmptyParents(key);
}

async function unlinkIfThere(path: string): Promise<void> {
	try {
		await unlink(path);
	} catch (error) {
		const {code} = error as NodeJS.ErrnoException;
		if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
	}
}

/** A network mount may lose what it confirmed. A file of the wrong size is the one just written, and is removed. */
async function checkPublished(path: string, size: number): Promise<void> {
	const there = await lstatIfThere(path);
	if (there?.isFile() && there.size === size) return;
	if (there?.isFile()) await unlinkIfThere(path);
	const what = there === undefined ? 'the file does not exist any more' : sizeText(there.size, size);
	throw new StorageError('corrupt', what, {hint: 'check the disk or the mount, then upload again'});
}

function existing(location: string, key: string): StorageError {
	return storageError('exists', {operation: 'upload', location, key}, 'already exists');
}

/** Errors of neither the storage nor the system (an abort, an error of the source) are returned unchanged. */
function describe(error: unknown, operation: Operation, location: string, key: string | undefined): unknown {
	if (error instanceof StorageError && error.message.startsWith('could not ')) return error;
	if (error instanceof StorageError)
		return storageError(error.fault, {operation, location, key}, error.message, {cause: error, hint: error.hint});
	if (!isSystemError(error)) return error;
	const fault = fileFault(error);
	if (fault === 'exists' && key !== undefined) return existing(location, key);
	const hint = hints[fault];
	return storageError(fault, {operation, location, key}, withoutPath(error), {cause: error, ...(hint && {hint})});
}

/** The others are those of every store. */
const hints: Partial<Record<Fault, string>> = {
	missing: 'check local_directory, and that its file system is mounted',
	forbidden: 'check the permissions of local_directory, and that its file system is not mounted read-only',
	full: 'free some space on the file system of local_directory, or raise the quota',
	server: 'check the disk or the mount of local_directory, then try again',
};

/** The message names the key already; the local path adds nothing. */
function withoutPath({message, code, errno, syscall}: SystemError): string {
	return describeSystemError(Object.assign(new Error(message), {code, errno, syscall}));
}
