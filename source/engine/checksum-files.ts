/** Checksum files as pg_back writes them, 2.x ones too: which belong to a file, and what they say of it. */
import {checksumAlgorithms, type ChecksumAlgorithm} from '../core/formats.js';
import {basename} from 'node:path';

/** Where the digest of a file may stand: beside it, and beside the directory dump that it is in. */
export function checksumFilesOf(path: string, algorithm: ChecksumAlgorithm): string[] {
	const slash = path.lastIndexOf('/');
	const directory = path.slice(0, Math.max(0, slash));
	return [
		`${path}.${algorithm}`,
		...(slash === -1 ? [] : [`${directory}.${algorithm}`, `${directory}.age.${algorithm}`]),
	];
}

/** The digests to take of a file, given the checksum files that are there; SHA-256 always, for manifests and metadata. */
export function algorithmsFor(checksums: ReadonlySet<string>, path: string): ChecksumAlgorithm[] {
	return checksumAlgorithms.filter(
		algorithm => algorithm === 'sha256' || checksumFilesOf(path, algorithm).some(file => checksums.has(file)),
	);
}

export type ListedDigest = {readonly digest: string; readonly file: string};

/** The checksum files of a place. Each is read and parsed once, however many members of a dump it speaks of. */
export class ChecksumLists {
	readonly #files: ReadonlySet<string>;
	readonly #read: (path: string, signal: AbortSignal) => AsyncIterable<Uint8Array>;
	readonly #lists = new Map<string, Promise<ChecksumList>>();

	/** `files`: the paths of those that are there. */
	constructor(files: ReadonlySet<string>, read: (path: string, signal: AbortSignal) => AsyncIterable<Uint8Array>) {
		this.#files = files;
		this.#read = read;
	}

	/** What they say of `path`, lower-case; the one beside it first. */
	async digestsOf(path: string, algorithm: ChecksumAlgorithm, signal: AbortSignal): Promise<readonly ListedDigest[]> {
		const found: ListedDigest[] = [];
		for (const file of checksumFilesOf(path, algorithm).filter(one => this.#files.has(one))) {
			const list = this.#lists.get(file) ?? this.#parse(file, signal);
			this.#lists.set(file, list);
			list.catch(() => this.#lists.delete(file)); // cancelled, perhaps: the next one reads it again
			const digest = (await list).digestOf(path);
			if (digest !== undefined) found.push({digest, file});
		}
		return found;
	}

	async #parse(file: string, signal: AbortSignal): Promise<ChecksumList> {
		const chunks: Uint8Array[] = [];
		for await (const chunk of this.#read(file, signal)) chunks.push(Buffer.from(chunk));
		return new ChecksumList(Buffer.concat(chunks).toString());
	}
}

/** The text of a checksum file: lines of `HEX  name` or `HEX *name`. Names of pg_back 2.x are absolute paths. */
export class ChecksumList {
	/** By the last part of the name. */
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

	/** Lower-case. */
	digestOf(path: string): string | undefined {
		const lines = this.#lines.get(basename(path)) ?? [];
		return lines.find(
			({name}) => name === path || path.endsWith(`/${name}`) || name.endsWith(`/${path}`) || sameEnd(name, path),
		)?.digest;
	}
}

/** The last part, and for members of directory dumps the part before it, are the same. */
function sameEnd(name: string, path: string): boolean {
	if (basename(name) !== basename(path)) return false;
	const [, parent] = name.split('/').reverse();
	const [, own] = path.split('/').reverse();
	return parent === own || !(parent?.endsWith('.d') ?? false);
}

export function isChecksumFile(path: string): boolean {
	return checksumAlgorithms.some(algorithm => path.endsWith(`.${algorithm}`));
}
