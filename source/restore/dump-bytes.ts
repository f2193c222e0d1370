/** Reads the plain bytes of a dump at a place: decrypted, and compared with what is recorded about them. */
import {chmod, mkdir, open} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {drain, releaseDisposable} from '../lib/release.js';
import type {ManifestFile} from '../repository/manifest.js';
import type {Place} from '../repository/place.js';
import {RecordedChecksums, type RecordedSource} from '../repository/recorded-checksums.js';
import {decryptStream} from '../stages/age/decrypt.js';
import type {DecryptionKeys} from '../stages/age/load-keys.js';
import {ArchiveBlocks, writeOffsets} from '../stages/archive-offsets.js';
import {MultiHash} from '../stages/hash.js';
import {checkedTar} from '../stages/tar.js';
import {named} from './decrypt.js';
import type {PreparedDump} from './restore-plan.js';
import {workPath} from './work-path.js';

export type DumpSource = {
	readonly place: Place;
	readonly keys: DecryptionKeys | undefined;
	/** The entries of the run's manifest, by path. */
	readonly known: ReadonlyMap<string, ManifestFile>;
	readonly recorded: RecordedChecksums;
};

/** `recorded`: the entries of the run's manifest, and the checksum files of the place. */
export function dumpSource(
	place: Place,
	keys: DecryptionKeys | undefined,
	recorded: Pick<RecordedSource, 'known' | 'checksums'>,
): DumpSource {
	const hint = 'restore another run with --run or --as-of, or from another location';
	const {read, storedSha256: stored} = place;
	return {place, keys, known: recorded.known, recorded: new RecordedChecksums({...recorded, read, stored, hint})};
}

/** Yields the bytes, and compares them at the end: throws CORRUPT. Throws WRONG_KEY without the right key. */
export async function* dumpBytes(
	{place, keys, recorded}: DumpSource,
	path: string,
	signal: AbortSignal,
	onBytes: (bytes: number) => void = () => undefined,
): AsyncGenerator<Uint8Array> {
	const hash = new MultiHash(recorded.algorithms(path));
	const source = hashed(place.read(path, signal), hash, onBytes);
	if (!path.endsWith('.age')) yield* source;
	else if (keys) yield* named(path, decryptStream(source, keys, signal));
	else throw withoutKey(path);
	await drain(source);
	await recorded.compare(path, {size: hash.bytes, digests: hash.digests()}, signal);
}

export function withoutKey(path: string): PgBackError {
	return new PgBackError('WRONG_KEY', `${display(path)} is encrypted, and no key was given`, {
		hint: 'set cipher_identity_file, cipher_private_key or a passphrase',
	});
}

async function* hashed(
	source: AsyncIterable<Uint8Array>,
	hash: MultiHash,
	onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
	for await (const chunk of source) {
		hash.update(chunk);
		onBytes(chunk.byteLength);
		yield chunk;
	}
}

/** Reads a dump in place to compare its checksums; a truncated tar archive would make pg_restore loop forever. */
export async function checkInPlace(
	source: DumpSource,
	{dump, format}: PreparedDump,
	signal: AbortSignal,
	onBytes: (bytes: number) => void,
): Promise<void> {
	for (const file of dump.files) {
		const bytes = dumpBytes(source, file.path, signal, onBytes);
		await drain(format === 'tar' ? checkedTar(bytes) : bytes);
	}
}

/**
 * Downloads a dump into `directory`, decrypted. A custom archive gets its data offsets at the same time. Returns its
 * path.
 */
export async function fetchDump(
	source: DumpSource,
	{dump, format}: PreparedDump,
	directory: string,
	{signal, onBytes}: {readonly signal: AbortSignal; readonly onBytes: (bytes: number) => void},
): Promise<string> {
	const path = workPath(directory, dump.path, format);
	if (format !== 'directory') {
		const bytes = dumpBytes(source, dump.path, signal, onBytes);
		await writeDump(format === 'tar' ? checkedTar(bytes) : bytes, path, {withOffsets: format === 'custom'});
		return path;
	}
	return fetchMembers(source, {path, files: dump.files.map(file => file.path)}, {signal, onBytes});
}

/** Downloads some files of a directory dump into the new directory `path`, decrypted. Returns `path`. */
export async function fetchMembers(
	source: DumpSource,
	{path, files}: {readonly path: string; readonly files: readonly string[]},
	{signal, onBytes}: {readonly signal: AbortSignal; readonly onBytes: (bytes: number) => void},
): Promise<string> {
	await mkdir(path, {mode: 0o700});
	for (const file of files) {
		const member = join(path, basename(file).replace(/\.age$/, ''));
		const bytes = dumpBytes(source, file, signal, onBytes);
		await writeDump(bytes, member, {withOffsets: false});
	}
	return path;
}

/** Bytes that are written at once. */
const batchSize = 1 << 20;

/** One batch is written while the next is decrypted. */
async function writeDump(
	bytes: AsyncIterable<Uint8Array>,
	path: string,
	{withOffsets}: {readonly withOffsets: boolean},
): Promise<void> {
	const handle = await open(path, 'wx', 0o600);
	try {
		await chmod(path, 0o600);
		const blocks = withOffsets ? new ArchiveBlocks() : undefined;
		let batch = Buffer.allocUnsafeSlow(batchSize);
		let other = Buffer.allocUnsafeSlow(batchSize);
		let filled = 0;
		let writing = Promise.resolve();
		for await (const chunk of bytes) {
			blocks?.push(chunk);
			for (let at = 0; at < chunk.byteLength;) {
				const part = chunk.subarray(at, at + batchSize - filled);
				batch.set(part, filled);
				filled += part.byteLength;
				at += part.byteLength;
				if (filled < batchSize) continue;
				await writing;
				writing = handle.writeFile(batch);
				writing.catch(() => undefined); // thrown by the next write
				[batch, other] = [other, batch];
				filled = 0;
			}
			releaseDisposable(chunk);
		}
		await writing;
		await handle.writeFile(batch.subarray(0, filled));
		const offsets = blocks?.finish();
		const toc = blocks?.toc();
		if (toc && offsets) await writeOffsets(handle, toc, offsets);
	} finally {
		await handle.close();
	}
}
