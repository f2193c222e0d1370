/**
 * Writes every file of a run in one pass: source → [checksum] → [age] → [checksum] → hidden partial file. No file has
 * its final name before `publishAll`.
 */
import {rm} from 'node:fs/promises';
import {basename, dirname} from 'node:path';
import {CancelledError} from '../core/errors.js';
import type {Emit, FileRole} from '../core/events.js';
import type {ChecksumAlgorithm} from '../core/formats.js';
import {createPartial, discardPartial, giveName, syncDirectory} from '../lib/files.js';
import type {EncryptionKeys} from './age/recipients.js';
import type {GrowingFile} from './growing-file.js';
import {type Digests, hashHandle} from './hash.js';
import type {Meter} from './meter.js';
import {OutputCheck} from './output-check.js';
import {hashAndEncrypt, type HashAndEncryptOptions} from './pipeline.js';
import {hashAndEncryptInWorker} from './pipeline-thread.js';
import {openSink, type Sink} from './sink.js';
import type {Spool} from './spool.js';

/** Settings for every file of a run (or of one database). */
export type OutputSettings = {
	/** The six characters of the run, part of partial names. */
	readonly run: string;
	/** Undefined: determined by the umask. */
	readonly mode: number | undefined;
	/** The algorithm of the checksum files; undefined for none. */
	readonly algorithm?: ChecksumAlgorithm;
	/** Further checksums, for the manifest. */
	readonly extraAlgorithms: readonly ChecksumAlgorithm[];
	readonly encryption?: EncryptionKeys;
	/** Keeps the plain file next to the encrypted one. */
	readonly keepSource: boolean;
	/** Present if no local file is written: returns where the bytes of a file with this final path go instead. */
	readonly stream?: (finalPath: string) => Sink;
	/** Present if a directory dump leaves this disk member by member, while it is being made. */
	readonly spool?: Spool;
};

/** The bytes of one regular file: plain and, if encrypted, of the `.age` file. */
export type Content = {
	/** Relative to the directory of the checksum file, without `.age`. */
	readonly name: string;
	readonly plainSize: number;
	readonly plainDigests: Digests;
	readonly cipherSize?: number;
	readonly cipherDigests?: Digests;
	/** Counted by the server and again in the file: for the parts of a divided table. */
	readonly rows?: number;
};

/** Returns the checksums of the bytes that are stored of a file: of the `.age` file if it is encrypted. */
export function storedDigests(content: Content, encrypted: boolean): Digests | undefined {
	return encrypted ? content.cipherDigests : content.plainDigests;
}

/** Returns the SHA-256 of a stored file; undefined for a directory, in which each member has its own, or if it was not computed. */
export function storedSha256({contents, encrypted, directory}: PendingFile): string | undefined {
	const [content] = contents;
	return content && !directory ? storedDigests(content, encrypted)?.sha256 : undefined;
}

/** A complete file or directory that waits for its final name. */
export type PendingFile = {
	/** Resolves when its bytes are on disk, and rejects if that failed; undefined: they are on disk. */
	readonly flushed?: Promise<void>;
	readonly partial: string;
	readonly finalPath: string;
	readonly role: FileRole;
	readonly size: number;
	readonly encrypted: boolean;
	readonly directory: boolean;
	readonly contents: readonly Content[];
	/** False for the plain file kept next to an encrypted one, which never leaves this host. */
	readonly ship: boolean;
	/**
	 * Its bytes go to the remote while they are produced: `finalPath` does not exist, and `partial` only for a directory,
	 * with what is not stored yet.
	 */
	readonly streamed?: true;
	/** Notified when the file has its final name, or will never have it. */
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
	/** Called with the number of bytes of `source` as they arrive. */
	readonly onBytes?: (bytes: number) => void;
	/** Whether the source is the output of pg_dump, which must be complete. */
	readonly isDump?: boolean;
	/** Awaited after the last byte, with the reason why its dump is not complete: throws when the source ended without success. */
	readonly confirm?: (problem: string | undefined) => Promise<void>;
	/**
	 * Called with each file to be uploaded as soon as bytes are written to it, for readers that follow it while it grows.
	 */
	readonly onOpen?: (file: GrowingFile) => void;
};

/** Returns all checksum algorithms to compute for a file. */
export function algorithmsOf(settings: OutputSettings): ChecksumAlgorithm[] {
	return [...(settings.algorithm ? [settings.algorithm] : []), ...settings.extraAlgorithms];
}

/**
 * Writes `source` to a partial file. `source` is an iterable, or a descriptor (a pipe or a file, which the caller
 * closes) that a worker reads to its end. On failure the partial file is removed and the error is thrown.
 */
export async function writeArtifact(
	source: AsyncIterable<Uint8Array> | {readonly descriptor: number},
	options: ArtifactOptions,
): Promise<Written> {
	const {settings, plainPath, meter, signal} = options;
	const {encryption} = settings;
	const algorithms = algorithmsOf(settings);
	const open = (path: string) => settings.stream?.(path) ?? openSink(path, settings);
	const plain = encryption && !settings.keepSource ? undefined : await open(plainPath);
	let cipher: Sink | undefined;
	try {
		if (encryption) cipher = await open(`${plainPath}.age`);
		const shipped = cipher ?? plain;
		if (shipped) options.onOpen?.(shipped.growing);
		// Loading age and its curves takes longer than a small dump, so it is loaded only for encryption.
		const seal = encryption && (await (await import('./age/encrypt.js')).createSeal(encryption, signal));
		if (algorithms.length > 0) meter?.start('checksum');
		if (seal) meter?.start('encrypt');
		const pipeline: HashAndEncryptOptions = {
			...{algorithms, seal, plain, cipher, signal, isDump: options.isDump},
			onBytes: byteCounter(options),
		};
		const result = await ('descriptor' in source
			? hashAndEncryptInWorker(source.descriptor, pipeline)
			: hashAndEncrypt(source, pipeline));
		signal.throwIfAborted();
		await options.confirm?.(result.problem);
		const content: Content = {
			name: basename(plainPath),
			plainSize: result.plain.size,
			plainDigests: result.plain.digests,
			...(encryption && {cipherSize: result.cipher.size, cipherDigests: result.cipher.digests}),
		};
		const sinks = [cipher, plain].filter(sink => sink !== undefined);
		const finished = await Promise.all(sinks.map(sink => sink.finish()));
		finishStages(meter);
		return {
			plainPath,
			directory: false,
			contents: [content],
			files: sinks.map((sink, index) => ({
				flushed: finished[index]?.flushed,
				partial: sink.path,
				finalPath: sink.finalPath,
				role: options.role,
				size: sink === cipher ? result.cipher.size : result.plain.size,
				encrypted: sink === cipher,
				directory: false,
				contents: [content],
				ship: sink === cipher || !encryption,
				...(settings.stream && {streamed: true}),
				growing: sink.growing,
			})),
		};
	} catch (error) {
		finishStages(meter, 'failed');
		await plain?.discard();
		await cipher?.discard();
		throw error;
	}
}

function finishStages(meter: Meter | undefined, outcome?: 'failed'): void {
	meter?.finish('checksum', outcome);
	meter?.finish('encrypt', outcome);
}

function byteCounter({onBytes, meter}: ArtifactOptions): HashAndEncryptOptions['onBytes'] {
	return (plainBytes, cipherBytes) => {
		onBytes?.(plainBytes);
		meter?.count('checksum', plainBytes);
		meter?.count('encrypt', plainBytes, cipherBytes);
	};
}

/**
 * Lets `write` create a file: it receives a descriptor and the path of a new partial file, and returns when all bytes
 * are in it (a child that writes its own archive preserves the archive's offsets). Then the file is hashed from the
 * page cache. Never encrypted.
 */
export async function ownedArtifact(
	write: (descriptor: number, path: string) => Promise<void>,
	options: ArtifactOptions,
): Promise<Written> {
	const {plainPath, meter, signal, settings} = options;
	const {path, handle} = await createPartial(plainPath, settings.run, settings.mode);
	try {
		meter?.watch('dump', async () => (await handle.stat()).size);
		// The child opens the file by its name: a umask such as 277 removes even the owner's right to write.
		const mode = (await handle.stat()).mode & 0o777;
		const isReadOnly = (mode & 0o200) === 0;
		if (isReadOnly) await handle.chmod(mode | 0o200);
		await write(handle.fd, path);
		if (isReadOnly) await handle.chmod(mode);
		const algorithms = algorithmsOf(settings);
		if (algorithms.length > 0) meter?.start('checksum');
		const check = options.isDump ? new OutputCheck() : undefined;
		const {size, digests} = await hashHandle(handle, algorithms, signal, chunk => {
			check?.push(chunk);
			meter?.count('checksum', chunk.byteLength);
		});
		await options.confirm?.(check?.problem());
		const flushed = handle.sync().finally(() => handle.close());
		flushed.catch(() => undefined); // awaited, and thrown, before the file gets its name
		meter?.finish('checksum');
		const content: Content = {name: basename(plainPath), plainSize: size, plainDigests: digests};
		const file: PendingFile = {
			flushed,
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
 * Waits until all files are flushed, gives them their final names, in order, and flushes each directory once. All or nothing: when one
 * fails (the name is taken, the disk is lost), the earlier ones are removed again, and the rest is discarded.
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
		await Promise.all(files.flatMap(file => file.flushed ?? []));
		for (const file of files) {
			await giveName(file.partial, file.finalPath, {...options, isDirectory: file.directory});
			done.push(file);
		}
		for (const directory of new Set(files.map(file => dirname(file.finalPath)))) await syncDirectory(directory);
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
		await file.flushed?.catch(() => undefined); // no longer needed
		if (!file.streamed || file.directory) await discardPartial(file.partial);
		file.growing?.fail(new CancelledError('the file was discarded'));
	}
}

/** Returns the description of a file in the events. */
export function describeFile(file: PendingFile) {
	return {
		path: file.finalPath,
		role: file.role,
		size: file.size,
		encrypted: file.encrypted,
		directory: file.directory,
		...(file.streamed && {streamed: true}),
		plainSize: file.contents.reduce((sum, content) => sum + content.plainSize, 0),
		plainSha256: file.directory ? undefined : file.contents[0]?.plainDigests.sha256,
		sha256: storedSha256(file),
	};
}
