/** The manifests of the backup directory and of a remote location. One that cannot be read is a warning, not an end. */
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {messageOf} from '../core/errors.js';
import {directoryFor, parseFileName, type Subject} from '../retention/names.js';
import type {RunRecord} from '../retention/purge-plan.js';
import {readDirectory} from './backup-directories.js';
import type {RunContext} from './context.js';
import {runRecord, type Manifest} from './manifest.js';
import {parseManifest} from './manifest-read.js';
import {downloadBase, type Remote} from './remote.js';
import {lstatIfThere} from '../lib/files.js';

export type FoundManifest = {
	/** A local path, or a key. */
	readonly path: string;
	readonly manifest: Manifest;
};

const subject: Subject = {kind: 'run'};
/** A manifest of ten thousand databases is a few MiB. */
const largest = 64 << 20;

/** Where the run's own files stand. */
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
		await keep(run, path, found, () => readFile(path, 'utf8'));
	}
	return found;
}

export async function remoteManifests(
	run: RunContext,
	remote: Remote,
	signal: AbortSignal,
): Promise<readonly FoundManifest[]> {
	const start = remote.keyFor(join(manifestDirectory(run), 'pg_back_'));
	const found: FoundManifest[] = [];
	for await (const {key, size} of remote.storage.list(start, {signal})) {
		if (!isManifest(key.slice(key.lastIndexOf('/') + 1)) || size > largest) continue;
		await keep(run, key, found, async () => {
			const chunks: Uint8Array[] = [];
			for await (const chunk of remote.storage.get(key, {signal})) chunks.push(Buffer.from(chunk));
			return Buffer.concat(chunks).toString();
		});
	}
	return found;
}

function isManifest(name: string): boolean {
	const parsed = parseFileName(name);
	return parsed?.subject.kind === 'run' && parsed.suffix === 'manifest.json';
}

async function keep(run: RunContext, path: string, found: FoundManifest[], read: () => Promise<string>): Promise<void> {
	try {
		found.push({path, manifest: parseManifest(await read(), path)});
	} catch (error) {
		run.signal.throwIfAborted();
		run.emit({type: 'log', level: 'warn', text: `ignoring the manifest ${path}: ${messageOf(error)}`});
	}
}

/** What a purge of the backup directory needs of its manifests. */
export function localRecords(run: RunContext, found: readonly FoundManifest[]): RunRecord[] {
	const base = downloadBase(run.configuration.settings.backupDirectory);
	return found.map(({path, manifest}) => runRecord(manifest, path, relative => join(base, relative)));
}

export function remoteRecords(remote: Remote, found: readonly FoundManifest[]): RunRecord[] {
	return found.map(({path, manifest}) => runRecord(manifest, path, relative => `${remote.prefix}${relative}`));
}
