/**
 * Reads the manifests of the backup directory or of a remote location. An unreadable manifest causes a warning and is
 * skipped.
 */
import {join} from 'node:path';
import type {Configuration} from '../config/configuration.js';
import {messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {readOwnText} from '../lib/own-file.js';
import {directoryFor, dumpPath, parseFileName, parsePath, type Subject} from '../retention/names.js';
import type {HiddenRun} from '../retention/ownership.js';
import type {RunRecord} from '../retention/purge-plan.js';
import type {ConfiguredContext, ReportContext, RunContext} from '../runs/context.js';
import type {StorageObject} from '../storage/storage.js';
import {readDirectoryIfThere} from './backup-directories.js';
import type {FoundManifest} from './found-manifest.js';
import {joinShards} from './join-shards.js';
import {manifestAt, type ManifestFile, runRecord} from './manifest.js';
import {parseManifest} from './manifest-read.js';
import type {Remote} from './remote.js';
import {downloadBase} from './remote-keys.js';
import {readSmallObject} from './small-object.js';

const subject: Subject = {kind: 'run'};
/** A manifest of ten thousand databases is a few MiB. */
const largest = 64 << 20;

/** Returns the directory that contains the run's own files. */
export function manifestDirectory(configuration: Configuration): string {
	return directoryFor(configuration.settings.backupDirectory, subject);
}

/** Called with each manifest that cannot be read, by its path or key, after the warning about it. */
export type OnUnreadable = (path: string, error: unknown) => void;

export async function localManifests(
	run: ConfiguredContext,
	onUnreadable?: OnUnreadable,
): Promise<readonly FoundManifest[]> {
	const directory = manifestDirectory(run.configuration);
	const found: FoundManifest[] = [];
	for (const entry of await readDirectoryIfThere(directory)) {
		if (!entry.isFile() || !isManifest(entry.name)) continue;
		const path = join(directory, entry.name);
		await keep(run, {path, location: undefined, onUnreadable}, found, () => readOwnText(path, largest));
	}
	return joinShards(found, run.now().getTime());
}

export async function remoteManifests(
	run: ConfiguredContext,
	remote: Pick<Remote, 'keyFor' | 'storage'>,
	signal: AbortSignal,
	onUnreadable?: OnUnreadable,
): Promise<readonly FoundManifest[]> {
	return (await readRemoteManifests(run, remote, signal, {onUnreadable})).found;
}

/** Returns the unreadable ones too. */
export async function readRemoteManifests(
	run: ConfiguredContext,
	remote: Pick<Remote, 'keyFor' | 'storage'>,
	signal: AbortSignal,
	{skips, onUnreadable}: {readonly skips?: (key: string) => boolean; readonly onUnreadable?: OnUnreadable | undefined},
): Promise<{readonly found: readonly FoundManifest[]; readonly hidden: readonly HiddenRun[]}> {
	const found: FoundManifest[] = [];
	const hidden: HiddenRun[] = [];
	for await (const object of remoteManifestObjects(run.configuration, remote, signal)) {
		const {key, modified = Infinity} = object;
		if (skips?.(key) || (await keepRemote(run, remote, {object, found, signal, onUnreadable}))) continue;
		hidden.push({path: key, from: parsePath(key)?.time ?? 0, until: modified});
	}
	return {found: joinShards(found, run.now().getTime()), hidden};
}

async function* remoteManifestObjects(
	configuration: Configuration,
	{keyFor, storage}: Pick<Remote, 'keyFor' | 'storage'>,
	signal: AbortSignal,
): AsyncGenerator<StorageObject> {
	const start = keyFor(join(manifestDirectory(configuration), 'pg_back_'));
	for await (const object of storage.list(start, {signal}))
		if (isManifest(object.key.slice(object.key.lastIndexOf('/') + 1))) yield object;
}

function keepRemote(
	run: ReportContext,
	{storage}: Pick<Remote, 'storage'>,
	{
		object,
		found,
		signal,
		onUnreadable,
	}: {
		readonly object: StorageObject;
		readonly found: FoundManifest[];
		readonly signal: AbortSignal;
		readonly onUnreadable?: OnUnreadable | undefined;
	},
): Promise<boolean> {
	const {key, size} = object;
	return keep(run, {path: key, location: storage.location, onUnreadable}, found, async () => {
		if (size > largest) throw new PgBackError('CORRUPT', 'it is too large for a manifest');
		const text = await readSmallObject(storage, key, signal, largest);
		if (text === undefined) throw new PgBackError('STORAGE', 'it does not exist any more');
		return text;
	});
}

/**
 * Returns the entries of objects in the manifests, by key. The manifests nearest to each object in time are read first,
 * and no more of them than needed.
 */
export async function remoteEntries(
	run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>,
	remote: Remote,
	keys: readonly string[],
	signal: AbortSignal,
): Promise<ReadonlyMap<string, ManifestFile>> {
	const entries = new Map<string, ManifestFile>();
	const wanted = keys.flatMap(key => {
		const parsed = parsePath(key);
		if (!parsed || parsed.subject.kind === 'run') return [];
		return [{time: parsed.time, path: dumpPath(key, parsed.member)}];
	});
	if (wanted.length === 0) return entries;
	const unread: {readonly object: StorageObject; readonly time: number}[] = [];
	for await (const object of remoteManifestObjects(run.configuration, remote, signal))
		unread.push({object, time: parsePath(object.key)?.time ?? 0});
	for (const {path, time} of wanted) {
		if (unread.length === 0) break;
		if (entries.has(path)) continue;
		const distance = (one: {readonly time: number}) => Math.abs(one.time - time);
		unread.sort((a, b) => distance(b) - distance(a));
		for (let next = unread.pop(); next; next = unread.pop()) {
			const found: FoundManifest[] = [];
			await keepRemote(run, remote, {object: next.object, found, signal});
			for (const file of found.flatMap(({manifest}) => manifest.files))
				entries.set(`${remote.prefix}${file.path}`, file);
			if (entries.has(path)) break;
		}
	}
	return entries;
}

function isManifest(name: string): boolean {
	const parsed = parseFileName(name);
	return parsed?.subject.kind === 'run' && parsed.suffix === 'manifest.json';
}

/** Returns false, with a warning, for a manifest that cannot be read. */
async function keep(
	run: ReportContext,
	{
		path,
		location,
		onUnreadable,
	}: {
		readonly path: string;
		readonly location: string | undefined;
		readonly onUnreadable?: OnUnreadable | undefined;
	},
	found: FoundManifest[],
	read: () => Promise<string>,
): Promise<boolean> {
	try {
		found.push({path, manifest: manifestAt(parseManifest(await read(), path), location)});
		return true;
	} catch (error) {
		run.signal.throwIfAborted();
		run.emit({type: 'log', level: 'warn', text: display(`ignoring the manifest ${path}: ${messageOf(error)}`)});
		onUnreadable?.(path, error);
		return false;
	}
}

/** Returns what a purge of the backup directory needs from its manifests. */
export function localRecords(configuration: Configuration, found: readonly FoundManifest[]): RunRecord[] {
	const base = downloadBase(configuration.settings.backupDirectory);
	return found.map(one => runRecord(one.manifest, one, relative => join(base, relative)));
}

export function remoteRecords(remote: Remote, found: readonly FoundManifest[]): RunRecord[] {
	return found.map(one => runRecord(one.manifest, one, relative => `${remote.prefix}${relative}`));
}
