/** A place where dumps are: the backup directory or a remote location, seen alike. Paths are relative, as manifests write them. */
import {constants} from 'node:fs';
import {open, readdir, rm, stat} from 'node:fs/promises';
import {join, relative} from 'node:path';
import {partialPattern} from '../lib/files.js';
import {readHandle} from '../stages/hash.js';
import {backupDirectories} from './backup-directories.js';
import type {RunContext} from './context.js';
import {localManifests, remoteManifests, type FoundManifest} from './manifests.js';
import {downloadBase, openRemote, type Remote, type Store} from './remote.js';
import {targetPath} from './download.js';

export type PlaceFile = {
	/** Relative to the place. */
	readonly path: string;
	/** Bytes. */
	readonly size: number;
	/** Milliseconds since the epoch. */
	readonly modified?: number;
};

export type Place = {
	/** `here` for the backup directory, else the name of the store. */
	readonly id: string;
	/** For people. */
	readonly label: string;
	readonly remote: Remote | undefined;
	/** Regular files and objects, members of directory dumps included. */
	readonly list: (signal: AbortSignal) => AsyncIterable<PlaceFile>;
	readonly read: (path: string, signal: AbortSignal) => AsyncIterable<Uint8Array>;
	/** Where a path of the place is on this machine; undefined for a remote. */
	readonly localPath: ((path: string) => string) | undefined;
	readonly manifests: (signal: AbortSignal) => Promise<readonly FoundManifest[]>;
	/** One result a path, undefined for those that are gone now. */
	readonly remove: (paths: readonly string[], signal: AbortSignal) => Promise<readonly (Error | undefined)[]>;
	readonly close: () => Promise<void>;
};

export async function openPlace(run: RunContext, id: 'here' | Store): Promise<Place> {
	return id === 'here' ? localPlace(run) : remotePlace(run, await openRemote(run, id));
}

export function localPlace(run: RunContext): Place {
	const {backupDirectory} = run.configuration.settings;
	const base = downloadBase(backupDirectory);
	return {
		id: 'here',
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
		manifests: () => localManifests(run),
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

export function remotePlace(run: RunContext, remote: Remote): Place {
	const {storage, prefix} = remote;
	return {
		id: remote.store,
		label: remote.location,
		remote,
		async *list(signal) {
			for await (const {key, size, modified, directory} of remote.list(signal)) {
				if (!directory) yield {path: key.slice(prefix.length), size, ...(modified !== undefined && {modified})};
			}
		},
		read: (path, signal) => storage.get(`${prefix}${path}`, {signal}),
		localPath: undefined,
		manifests: signal => remoteManifests(run, remote, signal),
		async remove(paths, signal) {
			const results = await storage.remove(
				paths.map(path => `${prefix}${path}`),
				{signal},
			);
			return results.map(result => result.error);
		},
		close: () => remote.close(),
	};
}

/** The directory's files and those of directories in it (directory dumps are flat); hidden ones are ours and not finished. */
async function* walk(directory: string, base: string, signal: AbortSignal, depth = 1): AsyncGenerator<PlaceFile> {
	const entries = await readdir(directory, {withFileTypes: true});
	for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
		signal.throwIfAborted();
		if (entry.name.startsWith('.') || partialPattern.test(entry.name)) continue;
		const path = join(directory, entry.name);
		if (entry.isDirectory() && depth > 0) yield* walk(path, base, signal, depth - 1);
		if (!entry.isFile()) continue;
		const stats = await stat(path).catch(() => undefined); // removed meanwhile
		if (stats) yield {path: relative(base, path), size: stats.size, modified: stats.mtimeMs};
	}
}
