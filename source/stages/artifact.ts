/**
 * Everything that a run writes goes through here, once: source → [digest] → [age] → [digest] → hidden partial file. Nothing has
 * its final name before `publishAll`.
 */
import type {ChecksumAlgorithm} from '../core/formats.js';
import {rm} from 'node:fs/promises';
import {basename} from 'node:path';
import {CancelledError} from '../core/errors.js';
import type {Emit, FileRole} from '../core/events.js';
import {createPartial, discardPartial, publish} from '../lib/files.js';
import type {EncryptionKeys} from './age/recipients.js';
import type {GrowingFile} from './growing.js';
import {hashHandle, type Digests} from './hash.js';
import type {Meter} from './meter.js';
import {passThread} from './pass-thread.js';
import {passThrough, type Passage} from './pass-through.js';
import {openSink, type Sink} from './sink.js';

/** What holds for every file of a run (or of one database). */
export type OutputSettings = {
	/** The run's six characters, part of partial names. */
	readonly run: string;
	/** Undefined: left to the umask. */
	readonly mode: number | undefined;
	/** Of the checksum files; undefined for none. */
	readonly algorithm?: ChecksumAlgorithm;
	/** Digests taken besides, for the manifest. */
	readonly extraAlgorithms: readonly ChecksumAlgorithm[];
	readonly encryption?: EncryptionKeys;
	/** Keep the plain file beside the encrypted one. */
	readonly keepSource: boolean;
};

/** One regular file's bytes: of the plain text and, where encrypted, of the `.age` file. */
export type Content = {
	/** Relative to the directory of the checksum file, without `.age`. */
	readonly name: string;
	readonly plainSize: number;
	readonly plainDigests: Digests;
	readonly cipherSize?: number;
	readonly cipherDigests?: Digests;
};

/** A file or directory that is whole and flushed, waiting for its final name. */
export type PendingFile = {
	readonly partial: string;
	readonly finalPath: string;
	readonly role: FileRole;
	readonly size: number;
	readonly encrypted: boolean;
	readonly directory: boolean;
	readonly contents: readonly Content[];
	/** False for the plain file that is kept beside an encrypted one: it never leaves this machine. */
	readonly ship: boolean;
	/** Told when the file has its final name, or will never have it. */
	readonly growing?: GrowingFile;
};

export type Written = {
	/** The final path without `.age`. */
	readonly plainPath: string;
	readonly directory: boolean;
	readonly contents: readonly Content[];
	readonly files: readonly PendingFile[];
};

export type ArtifactOptions = {
	/** Without `.age`. */
	readonly plainPath: string;
	readonly role: FileRole;
	readonly settings: OutputSettings;
	readonly signal: AbortSignal;
	readonly meter?: Meter;
	/** Told of the bytes of `source` as they come. */
	readonly onBytes?: (bytes: number) => void;
	/** Awaited after the last byte: throws when the source, though it ended, did not succeed. */
	readonly confirm?: () => Promise<void>;
	/** Called with each file that will be shipped as soon as bytes begin to go into it, for those who follow it while it grows. */
	readonly onOpen?: (file: GrowingFile) => void;
};

/** All digests that are taken of a file. */
export function algorithmsOf(settings: OutputSettings): ChecksumAlgorithm[] {
	return [...(settings.algorithm ? [settings.algorithm] : []), ...settings.extraAlgorithms];
}

/**
 * Passes `source` through to a partial file: bytes that come to us, or a descriptor (a pipe or a file, which the caller closes) that
 * another thread reads to its end. On failure the partial file is gone and the error is thrown.
 */
export async function writeArtifact(
	source: AsyncIterable<Uint8Array> | {readonly descriptor: number},
	options: ArtifactOptions,
): Promise<Written> {
	const {settings, plainPath, meter, signal} = options;
	const {encryption} = settings;
	const algorithms = algorithmsOf(settings);
	const plain = encryption && !settings.keepSource ? undefined : await openSink(plainPath, settings);
	let cipher: Sink | undefined;
	try {
		if (encryption) cipher = await openSink(`${plainPath}.age`, settings);
		const shipped = cipher ?? plain;
		if (shipped) options.onOpen?.(shipped.growing);
		// age and its curves take longer to load than a small dump takes: only who encrypts loads them.
		const seal = encryption && (await (await import('./age/encrypt.js')).createSeal(encryption, signal));
		if (algorithms.length > 0) meter?.start('checksum');
		if (seal) meter?.start('encrypt');
		const passage: Passage = {
			algorithms,
			seal,
			plain,
			cipher,
			signal,
			onBytes(plainBytes, cipherBytes) {
				options.onBytes?.(plainBytes);
				meter?.count('checksum', plainBytes);
				meter?.count('encrypt', plainBytes, cipherBytes);
			},
		};
		const passed = await ('descriptor' in source
			? passThread(source.descriptor, passage)
			: passThrough(source, passage));
		signal.throwIfAborted();
		await options.confirm?.();
		const content: Content = {
			name: basename(plainPath),
			plainSize: passed.plain.size,
			plainDigests: passed.plain.digests,
			...(encryption && {cipherSize: passed.cipher.size, cipherDigests: passed.cipher.digests}),
		};
		const sinks = [cipher, plain].filter(sink => sink !== undefined);
		for (const sink of sinks) await sink.flush();
		meter?.finish('checksum');
		meter?.finish('encrypt');
		return {
			plainPath,
			directory: false,
			contents: [content],
			files: sinks.map(sink => ({
				partial: sink.path,
				finalPath: sink.finalPath,
				role: options.role,
				size: sink === cipher ? passed.cipher.size : passed.plain.size,
				encrypted: sink === cipher,
				directory: false,
				contents: [content],
				ship: sink === cipher || !encryption,
				growing: sink.growing,
			})),
		};
	} catch (error) {
		meter?.finish('checksum', 'failed');
		meter?.finish('encrypt', 'failed');
		await plain?.discard();
		await cipher?.discard();
		throw error;
	}
}

/**
 * Lets somebody else write: `write` gets a descriptor and the path of a new partial file and returns when all bytes are in it (a child that
 * writes its own archive keeps the archive's offsets that way). Then the file is hashed, from the page cache. Never encrypted.
 */
export async function ownedArtifact(
	write: (descriptor: number, path: string) => Promise<void>,
	options: ArtifactOptions,
): Promise<Written> {
	const {plainPath, meter, signal, settings} = options;
	const {path, handle} = await createPartial(plainPath, settings.run, settings.mode);
	try {
		meter?.watch('dump', async () => (await handle.stat()).size);
		await write(handle.fd, path);
		const algorithms = algorithmsOf(settings);
		if (algorithms.length > 0) meter?.start('checksum');
		const {size, digests} = await hashHandle(handle, algorithms, signal, bytes => meter?.count('checksum', bytes));
		await handle.sync();
		await handle.close();
		meter?.finish('checksum');
		const content: Content = {name: basename(plainPath), plainSize: size, plainDigests: digests};
		const file: PendingFile = {
			partial: path,
			finalPath: plainPath,
			role: options.role,
			size,
			encrypted: false,
			directory: false,
			contents: [content],
			ship: true,
		};
		return {plainPath, directory: false, contents: [content], files: [file]};
	} catch (error) {
		meter?.finish('checksum', 'failed');
		await handle.close();
		await discardPartial(path);
		throw error;
	}
}

/**
 * Gives every file its final name, in order. All or nothing: when one cannot have it (the name is taken, the disk is gone), those
 * that had theirs lose it again, and the rest is discarded.
 */
export async function publishAll(
	written: readonly Pick<Written, 'files'>[],
	job: string,
	emit: Emit,
	options: {readonly replace?: boolean} = {},
): Promise<readonly PendingFile[]> {
	const files = written.flatMap(one => one.files);
	const done: PendingFile[] = [];
	try {
		for (const file of files) {
			await publish(file.partial, file.finalPath, {...options, isDirectory: file.directory});
			done.push(file);
		}
	} catch (error) {
		for (const file of done) await rm(file.finalPath, {recursive: true, force: true});
		await discardAll(written);
		throw error;
	}
	for (const file of files) {
		const description = describeFile(file);
		emit({type: 'file.published', job, file: description});
		file.growing?.end(description.sha256);
	}
	return files;
}

export async function discardAll(written: readonly Pick<Written, 'files'>[]): Promise<void> {
	for (const file of written.flatMap(one => one.files)) {
		await discardPartial(file.partial);
		file.growing?.fail(new CancelledError('the file was discarded'));
	}
}

function describeFile(file: PendingFile) {
	const only = file.contents.length === 1 && !file.directory ? file.contents[0] : undefined;
	return {
		path: file.finalPath,
		role: file.role,
		size: file.size,
		encrypted: file.encrypted,
		directory: file.directory,
		plainSize: file.contents.reduce((sum, content) => sum + content.plainSize, 0),
		plainSha256: only?.plainDigests.sha256,
		sha256: file.encrypted ? only?.cipherDigests?.sha256 : only?.plainDigests.sha256,
	};
}
