import {createHash, randomInt} from 'node:crypto';
import {constants} from 'node:fs';
import {open, stat as statPath, unlink, type FileHandle} from 'node:fs/promises';
import {describeSystemError, isSystemError, messageOf, PgBackError, type SystemError} from '../../core/errors.js';
import {createPartial, discardPartial, lstatIfThere, publish} from '../../lib/files.js';
import {fileFault, isPermanentError, storageError, StorageError, type Operation} from '../errors.js';
import {readWhole} from '../source.js';
import type {ObjectInfo, OpenContext, PutOptions, PutResult, PutSource, RemoveResult, Storage} from '../storage.js';
import {createPaths, type Paths} from './paths.js';
import {walk} from './walk.js';

export type LocalSettings = {
	/** An existing directory, such as the mount point of a NAS; it is never created. */
	readonly directory: string;
	/** Of the files, such as 0o600 (the default). */
	readonly mode?: number;
};

const chunkSize = 256 * 1024;

export function localLocation({directory}: LocalSettings): string {
	return `${directory.replace(/\/+$/, '')}/`;
}

/** Another directory of this machine. Files get their names when they are whole and flushed, as the dumps do. */
export async function openLocal(settings: LocalSettings, _context: OpenContext): Promise<Storage> {
	const location = localLocation(settings);
	try {
		if (!(await statPath(location)).isDirectory()) throw new Error('it is not a directory');
	} catch (error) {
		const reason = isSystemError(error) ? describeSystemError(error) : messageOf(error);
		throw new PgBackError('STORAGE', `cannot use the local directory ${location}: ${reason}`, {
			hint: 'create local_directory, or mount what belongs there: it is never created, lest a missing mount go unnoticed',
			cause: error,
		});
	}
	const paths = createPaths(location);
	const mode = settings.mode ?? 0o600;
	const run = Array.from({length: 6}, () => randomInt(36).toString(36)).join('');
	const failed = (error: unknown, operation: Operation, key?: string) => describe(error, operation, location, key);
	return {
		kind: 'local',
		location,
		async *list(prefix, {signal, after}) {
			try {
				yield* walk(paths, prefix, {signal, after});
			} catch (error) {
				throw failed(error, 'list', prefix === '' ? undefined : prefix);
			}
		},
		async put(key, source, options) {
			options.signal.throwIfAborted();
			const path = await paths.checked(key, 'upload');
			if (options.ifAbsent && (await lstatIfThere(path))) throw existing(location, key);
			const partial = await createPartial(path, run, mode).catch((error: unknown) => {
				throw failed(error, 'upload', key);
			});
			try {
				const result = await write(partial.handle, source, options, error => failed(error, 'upload', key));
				await paths.checked(key, 'upload');
				await publish(partial.path, path, {replace: !options.ifAbsent}).catch((error: unknown) => {
					throw failed(error, 'upload', key);
				});
				return result;
			} catch (error) {
				await partial.handle.close();
				await discardPartial(partial.path);
				throw error;
			}
		},
		async *get(key, {signal, offset = 0}) {
			const path = await paths.checked(key, 'download');
			try {
				yield* read(path, offset, signal);
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
		async remove(keys, {signal}) {
			const results: RemoveResult[] = [];
			for (const key of keys) {
				signal.throwIfAborted();
				try {
					await removeFile(paths, key);
					results.push({key});
				} catch (error) {
					const failure = failed(error, 'remove', key);
					if (!(failure instanceof StorageError)) throw failure;
					results.push({key, error: failure});
				}
			}
			return results;
		},
		async cleanup(prefix, {signal, olderThan}) {
			const removed: string[] = [];
			for await (const {key, modified} of walk(paths, '', {signal, partials: true})) {
				const folder = key.slice(0, key.lastIndexOf('/') + 1);
				if (!key.startsWith(prefix) && !folder.startsWith(prefix)) continue;
				if (modified === undefined || modified >= olderThan) continue;
				await discardPartial(paths.of(key));
				removed.push(key);
			}
			return removed;
		},
		isPermanent: isPermanentError,
		close: () => Promise.resolve(),
	};
}

/** Writes all, flushes, closes, and compares the size (and the digest, where one is known). */
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
		options.onProgress?.(size);
	}
	const expected = options.sha256?.();
	if (expected !== undefined && hash && hash.digest('hex') !== expected) {
		throw failed(new StorageError('invalid', 'the bytes are not those whose sha256 is recorded'));
	}
	try {
		await handle.sync();
		const stats = await handle.stat();
		await handle.close();
		if (stats.size !== size) throw new StorageError('corrupt', `${stats.size} of ${size} bytes are there`);
		return {
			size: stats.size,
			checked: expected === undefined ? 'size checked, flushed' : 'size and sha256 checked, flushed',
		};
	} catch (error) {
		throw failed(error);
	}
}

async function* read(path: string, offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
	const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
	try {
		if (!(await handle.stat()).isFile()) throw new StorageError('invalid', 'it is not a regular file');
		for (let at = offset; ;) {
			signal.throwIfAborted();
			const buffer = Buffer.allocUnsafeSlow(chunkSize);
			const {bytesRead} = await handle.read(buffer, 0, chunkSize, at);
			if (bytesRead === 0) return;
			at += bytesRead;
			yield buffer.subarray(0, bytesRead);
		}
	} finally {
		await handle.close();
	}
}

async function removeFile(paths: Paths, key: string): Promise<void> {
	const path = await paths.checked(key, 'remove');
	try {
		await unlink(path);
	} catch (error) {
		const {code} = error as NodeJS.ErrnoException;
		if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
	}
	await paths.removeEmptyParents(key);
}

function existing(location: string, key: string): StorageError {
	return storageError('exists', {operation: 'upload', location, key}, 'it exists already');
}

/** What is neither of the storage nor of the system (an abort, the source's own failure) passes as it is. */
function describe(error: unknown, operation: Operation, location: string, key: string | undefined): unknown {
	if (error instanceof StorageError && error.message.startsWith('could not ')) return error;
	if (error instanceof StorageError)
		return storageError(error.fault, {operation, location, key}, error.message, {cause: error});
	if (!isSystemError(error)) return error;
	const fault = fileFault(error);
	if (fault === 'exists' && key !== undefined) return existing(location, key);
	return storageError(fault, {operation, location, key}, withoutPath(error), {cause: error});
}

/** The key is named already; our own path to it says nothing more. */
function withoutPath({message, code, errno, syscall}: SystemError): string {
	return describeSystemError(Object.assign(new Error(message), {code, errno, syscall}));
}
