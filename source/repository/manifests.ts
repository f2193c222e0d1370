/**
 * Reads the manifests of the backup directory or of a remote location. An unreadable manifest causes a warning and is
 * skipped.
 */
import {join} from 'node:path';
import {messageOf} from '../core/errors.js';
import {lstatIfThere} from '../lib/files.js';
import {readOwnText} from '../lib/own-file.js';
import {directoryFor, parseFileName, type Subject} from '../retention/names.js';
import type {RunRecord} from '../retention/purge-plan.js';
import type {RunContext} from '../runs/context.js';
import {readDirectory} from './backup-directories.js';
import {joinShards} from './join-shards.js';
import {type Manifest, manifestAt, runRecord} from './manifest.js';
import {parseManifest} from './manifest-read.js';
import type {Remote} from './remote.js';
import {downloadBase} from './remote-keys.js';

export type FoundManifest = {
	/** A local path or a key. For a divided run: the path that its only manifest would have. */
	readonly path: string;
	/** For a divided run: the paths or keys of its shards' manifests. */
	readonly parts?: readonly string[];
	readonly manifest: Manifest;
};

const subject: Subject = {kind: 'run'};
/** A manifest of ten thousand databases is a few MiB. */
const largest = 64 << 20;

/** Returns the directory that contains the run's own files. */
export function manifestDirectory(run: RunContext): string {
	return directoryFor(run.configuration.settings.backupDirectory, subject);
}

export async function localManifests(run: RunContext): Promise<readonly FoundManifest[]> {
	const directory = manifestDirectory(run);
	if ((await lstatIfThere(directory)) === undefined) return [];
	const found: FoundManifest[] = [];
	for (const entry of await readDirectory(directory)) {
		if (!entry.isFile() || !isManifest(entry.name)) continue;
		const path = join(directory, entry.name);
		await keep(run, {path, location: undefined}, found, () => readOwnText(path, largest));
	}
	return joinShards(found, run.now().getTime());
}

export async function remoteManifests(
	run: RunContext,
	remote: Pick<Remote, 'keyFor' | 'storage'>,
	signal: AbortSignal,
	skips: (key: string) => boolean = () => false,
): Promise<readonly FoundManifest[]> {
	const start = remote.keyFor(join(manifestDirectory(run), 'pg_back_'));
	const found: FoundManifest[] = [];
	for await (const {key, size} of remote.storage.list(start, {signal})) {
		if (!isManifest(key.slice(key.lastIndexOf('/') + 1)) || size > largest || skips(key)) continue;
		await keep(run, {path: key, location: remote.storage.location}, found, async () => {
			const chunks: Uint8Array[] = [];
			for await (const chunk of remote.storage.get(key, {signal})) chunks.push(Buffer.from(chunk));
			return Buffer.concat(chunks).toString();
		});
	}
	return joinShards(found, run.now().getTime());
}

function isManifest(name: string): boolean {
	const parsed = parseFileName(name);
	return parsed?.subject.kind === 'run' && parsed.suffix === 'manifest.json';
}

async function keep(
	run: RunContext,
	{path, location}: {readonly path: string; readonly location: string | undefined},
	found: FoundManifest[],
	read: () => Promise<string>,
): Promise<void> {
	try {
		found.push({path, manifest: manifestAt(parseManifest(await read(), path), location)});
	} catch (error) {
		run.signal.throwIfAborted();
		run.emit({type: 'log', level: 'warn', text: `ignoring the manifest ${path}: ${messageOf(error)}`});
	}
}

/** Returns what a purge of the backup directory needs from its manifests. */
export function localRecords(run: RunContext, found: readonly FoundManifest[]): RunRecord[] {
	const base = downloadBase(run.configuration.settings.backupDirectory);
	return found.map(one => runRecord(one.manifest, one, relative => join(base, relative)));
}

export function remoteRecords(remote: Remote, found: readonly FoundManifest[]): RunRecord[] {
	return found.map(one => runRecord(one.manifest, one, relative => `${remote.prefix}${relative}`));
}
