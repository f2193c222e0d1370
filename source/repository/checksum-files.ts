/** Checksum files of pg_back, including 2.x: which ones belong to a file, and the checksums in them. */
import {basename} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {type ChecksumAlgorithm, checksumAlgorithms} from '../core/formats.js';
import {display} from '../lib/display.js';

/**
 * Returns the paths at which a checksum of a file may be stored: in its directory, and for a member of a directory dump
 * next to the dump.
 */
export function checksumFilesOf(path: string, algorithm: ChecksumAlgorithm): string[] {
	const slash = path.lastIndexOf('/');
	const directory = path.slice(0, Math.max(0, slash));
	return [
		`${path}.${algorithm}`,
		...(slash === -1 ? [] : [`${directory}.${algorithm}`, `${directory}.age.${algorithm}`]),
	];
}

/**
 * Returns the algorithms to compute for a file, given the existing checksum files; always SHA-256, for manifests and
 * metadata.
 */
export function algorithmsFor(checksums: ReadonlySet<string>, path: string): ChecksumAlgorithm[] {
	return checksumAlgorithms.filter(
		algorithm => algorithm === 'sha256' || checksumFilesOf(path, algorithm).some(file => checksums.has(file)),
	);
}

/** A list of a hundred thousand members has about 20 MiB. */
const largest = 64 << 20;

export type ListedDigest = {readonly digest: string; readonly file: string};

/** The checksum files of a place. Each is read and parsed once, even if many members of a dump are looked up in it. */
export class ChecksumLists {
	readonly #files: ReadonlySet<string>;
	readonly #read: (path: string, signal: AbortSignal) => AsyncIterable<Uint8Array>;
	readonly #lists = new Map<string, Promise<ChecksumList>>();

	/** `files` contains the paths of the existing checksum files. */
	constructor(files: ReadonlySet<string>, read: (path: string, signal: AbortSignal) => AsyncIterable<Uint8Array>) {
		this.#files = files;
		this.#read = read;
	}

	/** Returns the recorded checksums of `path`, in lower case; the file in the same directory comes first. */
	async digestsOf(path: string, algorithm: ChecksumAlgorithm, signal: AbortSignal): Promise<readonly ListedDigest[]> {
		const found: ListedDigest[] = [];
		for (const file of checksumFilesOf(path, algorithm).filter(one => this.#files.has(one))) {
			const digest = (await this.#listAt(file, signal)).digestOf(path);
			if (digest !== undefined) found.push({digest, file});
		}
		return found;
	}

	/** Returns the names of the members in the checksum file of a directory dump; undefined if there is none. */
	async membersOf(dump: string, signal: AbortSignal): Promise<readonly string[] | undefined> {
		const file = checksumAlgorithms
			.flatMap(algorithm => [`${dump}.age.${algorithm}`, `${dump}.${algorithm}`])
			.find(one => this.#files.has(one));
		return file === undefined ? undefined : (await this.#listAt(file, signal)).namesIn(basename(dump));
	}

	#listAt(file: string, signal: AbortSignal): Promise<ChecksumList> {
		const list = this.#lists.get(file) ?? this.#parse(file, signal);
		this.#lists.set(file, list);
		list.catch(() => this.#lists.delete(file)); // possibly canceled: the next call reads it again
		return list;
	}

	async #parse(file: string, signal: AbortSignal): Promise<ChecksumList> {
		const chunks: Uint8Array[] = [];
		let size = 0;
		for await (const chunk of this.#read(file, signal)) {
			size += chunk.byteLength;
			if (size > largest) throw new PgBackError('CORRUPT', `${display(file)} is too large for a checksum file`);
			chunks.push(Buffer.from(chunk));
		}
		return new ChecksumList(Buffer.concat(chunks).toString());
	}
}

/** A parsed checksum file: lines of `HEX  name` or `HEX *name`. Names written by pg_back 2.x are absolute paths. */
export class ChecksumList {
	/** Keyed by the last part of the name. */
	readonly #lines = new Map<string, {readonly name: string; readonly digest: string}[]>();

	constructor(text: string) {
		for (const line of text.split('\n')) {
			const [, digest, name] = /^\\?([0-9a-f]{40,128}) [ *](.+)$/i.exec(line) ?? [];
			if (digest === undefined || name === undefined) continue;
			const same = this.#lines.get(basename(name));
			const entry = {name, digest: digest.toLowerCase()};
			if (same) same.push(entry);
			else this.#lines.set(basename(name), [entry]);
		}
	}

	/** Returns the names of the listed files in the directory `name`. */
	namesIn(name: string): readonly string[] {
		return [...this.#lines].flatMap(([base, lines]) =>
			lines.some(line => line.name.split('/').at(-2) === name) ? [base] : [],
		);
	}

	/** Returns the checksum in lower case. */
	digestOf(path: string): string | undefined {
		const lines = this.#lines.get(basename(path)) ?? [];
		return lines.find(
			({name}) => name === path || path.endsWith(`/${name}`) || name.endsWith(`/${path}`) || sameEnd(name, path),
		)?.digest;
	}
}

/** Returns true when the last parts are equal and, for members of directory dumps, also the parts before. */
function sameEnd(name: string, path: string): boolean {
	if (basename(name) !== basename(path)) return false;
	const [, parent] = name.split('/').reverse();
	const [, own] = path.split('/').reverse();
	return parent === own || !(parent?.endsWith('.d') ?? false);
}

export function isChecksumFile(path: string): boolean {
	return checksumAlgorithms.some(algorithm => path.endsWith(`.${algorithm}`));
}
