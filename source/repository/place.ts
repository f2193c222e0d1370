/**
 * A place where dumps are kept: one interface for the backup directory and remote locations. Paths are relative, as in
 * manifests.
 */
import {constants, type Dirent} from 'node:fs';
import {access, open, rm} from 'node:fs/promises';
import {join, relative} from 'node:path';
import {partialPattern} from '../lib/files.js';
import {isHidden} from '../lib/hidden.js';
import {withStats} from '../lib/stat-files.js';
import {parsePath} from '../retention/names.js';
import type {ConfiguredContext, StoreContext} from '../runs/context.js';
import {readHandle} from '../stages/hash.js';
import {storageError} from '../storage/errors.js';
import {backupDirectories, readDirectory} from './backup-directories.js';
import type {FoundManifest} from './found-manifest.js';
import {backupLocation, type LocationId} from './locations.js';
import {localManifests, type OnUnreadable, remoteManifests} from './manifests.js';
import {openRemote, type Remote} from './remote.js';
import {downloadBase} from './remote-keys.js';
import {targetPath} from './target-path.js';

export type PlaceFile = {
	/** Relative to the place. */
	readonly path: string;
	/** Bytes. */
	readonly size: number;
	/** Milliseconds since the epoch. */
	readonly modified?: number;
	/** Why it does not count as a good dump. */
	readonly doubt?: string;
};

export type Place = {
	readonly id: LocationId;
	/** For people. */
	readonly label: string;
	readonly remote: Remote | undefined;
	/** Lists regular files and objects, including members of directory dumps, without hidden names. */
	readonly list: (signal: AbortSignal) => AsyncIterable<PlaceFile>;
	readonly read: (path: string, signal: AbortSignal) => AsyncIterable<Uint8Array>;
	/** Returns the SHA-256 that the upload has stored with an object, in lower case. */
	readonly storedSha256?: (path: string, signal: AbortSignal) => Promise<string | undefined>;
	/** Returns the local path; undefined for a remote. */
	readonly localPath: ((path: string) => string) | undefined;
	readonly manifests: (signal: AbortSignal, onUnreadable?: OnUnreadable) => Promise<readonly FoundManifest[]>;
	/** Returns one result for each path; undefined for files that no longer exist. */
	readonly remove: (paths: readonly string[], signal: AbortSignal) => Promise<readonly (Error | undefined)[]>;
	readonly close: () => Promise<void>;
};

export async function openPlace(
	run: StoreContext,
	id: LocationId,
	options: {readonly retryBudget?: number} = {},
): Promise<Place> {
	return id === backupLocation ? localPlace(run) : remotePlace(run, await openRemote(run, id, options));
}

export function localPlace(run: ConfiguredContext): Place {
	const {backupDirectory} = run.configuration.settings;
	const base = downloadBase(backupDirectory);
	return {
		id: backupLocation,
		label: backupDirectory,
		remote: undefined,
		async *list(signal) {
			for (const directory of await backupDirectories(backupDirectory)) yield* walk(directory, base, signal);
		},
		async *read(path, signal) {
			const handle = await open(await targetPath(base, path), constants.O_RDONLY | constants.O_NOFOLLOW);
			try {
				for await (const chunk of readHandle(handle, signal)) yield chunk;
			} finally {
				await handle.close();
			}
		},
		localPath: path => join(base, path),
		manifests: (_signal, onUnreadable) => localManifests(run, onUnreadable),
		async remove(paths) {
			return Promise.all(
				paths.map(async path =>
					rm(await targetPath(base, path), {recursive: true}).then(
						() => undefined,
						(error: unknown) => error as Error,
					),
				),
			);
		},
		close: async () => undefined,
	};
}

export function remotePlace(run: ConfiguredContext, remote: Remote): Place {
	const {storage, prefix} = remote;
	return {
		id: remote.store,
		label: remote.location,
		remote,
		async *list(signal) {
			for await (const {key, size, modified, doubt, directory} of remote.list(signal)) {
				const path = key.slice(prefix.length);
				if (!directory && !isHidden(path))
					yield {path, size, ...(modified !== undefined && {modified}), ...(doubt !== undefined && {doubt})};
			}
		},
		read: (path, signal) => storage.get(`${prefix}${path}`, {signal}),
		storedSha256: async (path, signal) =>
			(await storage.stat(`${prefix}${path}`, {signal}))?.metadata['sha256']?.toLowerCase(),
		localPath: undefined,
		manifests: (signal, onUnreadable) => remoteManifests(run, remote, signal, onUnreadable),
		async remove(paths, signal) {
			const results = await storage.remove(
				paths.map(path => `${prefix}${path}`),
				{signal},
			);
			// Files that a retention lock keeps are reported as errors, because exactly these files were requested.
			return results.map(({key, error, kept}) =>
				kept === undefined
					? error
					: storageError('forbidden', {operation: 'remove', location: remote.location, key}, kept, {
							hint: 'the remote service allows its removal when the lock expires',
						}),
			);
		},
		close: () => remote.close(),
	};
}

/** Walks the directory and the directories in it (directory dumps are flat). Hidden files are our unfinished ones. */
async function* walk(directory: string, base: string, signal: AbortSignal, depth = 1): AsyncGenerator<PlaceFile> {
	const entries = (await readDirectory(directory)).filter(({name}) => isListed(name));
	// Not `join` and `relative` for each name, which take longer than the system call.
	const parent = directory.endsWith('/') ? directory : `${directory}/`;
	const above = relative(base, directory);
	const pathOf = (entry: Dirent) => (entry.isFile() ? parent + entry.name : undefined);
	for await (const found of withStats(entries, pathOf, {ignoreErrors: true})) {
		signal.throwIfAborted();
		for (const [entry, stats] of found) {
			const path = parent + entry.name;
			if (entry.isDirectory() && depth > 0 && (parsePath(entry.name) || (await isReadable(path))))
				yield* walk(path, base, signal, depth - 1);
			else if (stats)
				yield {
					path: above === '' ? entry.name : `${above}/${entry.name}`,
					size: stats.size,
					modified: stats.mtimeMs,
				};
		}
	}
}

function isListed(name: string): boolean {
	return !name.startsWith('.') && !partialPattern.test(name);
}

/**
 * Returns whether we may read a directory. Directories that are not dumps may be closed to us: lost+found, or those of
 * other programs.
 */
async function isReadable(directory: string): Promise<boolean> {
	return access(directory, constants.R_OK | constants.X_OK).then(
		() => true,
		() => false,
	);
}
