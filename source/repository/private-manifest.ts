import {relative} from 'node:path';
import type {Configuration} from '../config/configuration.js';
import {messageOf} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {RunContext} from '../runs/context.js';
import {decryptStream} from '../stages/age/decrypt.js';
import type {DecryptionKeys} from '../stages/age/load-keys.js';
import type {FoundManifest} from './found-manifest.js';
import {joinManifest, type Manifest, type ManifestFile} from './manifest.js';
import {parsePrivateManifest} from './manifest-read.js';
import type {Place} from './place.js';
import {downloadBase} from './remote-keys.js';

/** Bytes; far more than any private manifest has. */
const largest = 256 << 20;

/**
 * Returns the manifest joined with the private ones (one, or one for each shard of a divided run), if there is a key for them. An
 * unreadable one causes a warning.
 */
export async function withPrivateManifest(
	run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>,
	place: Place,
	found: FoundManifest,
	keys: DecryptionKeys | undefined,
): Promise<Manifest> {
	let {manifest} = found;
	if (!keys || !manifest.files.some(file => file.encryption)) return manifest;
	for (const path of privatePaths(run.configuration, found, place)) {
		try {
			manifest = joinManifest(manifest, parsePrivateManifest(await readText(run.signal, place, path, keys), path));
		} catch (error) {
			run.signal.throwIfAborted();
			const text = `cannot read the recorded contents of this run (${path}): ${messageOf(error)}`;
			run.emit({type: 'log', level: 'warn', text: display(text)});
		}
	}
	return manifest;
}

/** Paths relative to the place. */
function privatePaths(configuration: Configuration, {path, parts}: FoundManifest, {remote}: Place): readonly string[] {
	const base = downloadBase(configuration.settings.backupDirectory);
	return (parts ?? [path]).map(one =>
		(remote ? one.slice(remote.prefix.length) : relative(base, one)).replace(/manifest\.json$/, 'private.json.age'),
	);
}

async function readText(signal: AbortSignal, place: Place, path: string, keys: DecryptionKeys): Promise<string> {
	const chunks: Buffer[] = [];
	let size = 0;
	for await (const chunk of decryptStream(place.read(path, signal), keys, signal)) {
		size += chunk.byteLength;
		if (size > largest) throw new Error(`it has more than ${largest} bytes`);
		chunks.push(Buffer.from(chunk));
	}
	return Buffer.concat(chunks).toString();
}

/** Returns the entries of a manifest by the path of their file. */
export function recordedFiles(manifest: Manifest): ReadonlyMap<string, ManifestFile> {
	return new Map(manifest.files.map(file => [file.path, file] as const));
}
