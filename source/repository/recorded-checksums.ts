/** What is recorded about the bytes of a place's files: in the manifests of their runs, and in checksum files. */
import {basename} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {type ChecksumAlgorithm, checksumAlgorithms} from '../core/formats.js';
import {display} from '../lib/display.js';
import type {Digests} from '../stages/hash.js';
import {algorithmsFor, ChecksumLists} from './checksum-files.js';
import type {ManifestFile, ManifestMember} from './manifest.js';

export type RecordedSource = {
	/** The entries of manifests, by path. */
	readonly known: ReadonlyMap<string, ManifestFile>;
	/** The paths of the existing checksum files. */
	readonly checksums: ReadonlySet<string>;
	/** Reads a checksum file. */
	readonly read: (path: string, signal: AbortSignal) => AsyncIterable<Uint8Array>;
	/** Returns the SHA-256 in the metadata of an object, for files without any other checksum. */
	readonly stored?: ((path: string, signal: AbortSignal) => Promise<string | undefined>) | undefined;
	/** What the user should do with a damaged file. */
	readonly hint: string;
};

/** The bytes of a file, as they were read. */
export type ReadBytes = {
	/** Bytes. */
	readonly size: number;
	/** By all of `algorithms(path)`. */
	readonly digests: Digests;
};

/** Compares files with everything that is recorded about them. Paths have the form of the place's manifests or keys. */
export class RecordedChecksums {
	readonly #source: RecordedSource;
	readonly #lists: ChecksumLists;
	/** The members of directory dumps in manifests, by name. */
	readonly #members = new Map<string, ReadonlyMap<string, ManifestMember>>();

	constructor(source: RecordedSource) {
		this.#source = source;
		this.#lists = new ChecksumLists(source.checksums, source.read);
	}

	/** Returns the algorithms that a comparison of the file needs; always SHA-256. */
	algorithms(path: string): ChecksumAlgorithm[] {
		return algorithmsFor(this.#source.checksums, path);
	}

	/** Returns the size and the SHA-256 in the manifest of a file, or of a member of a directory dump. */
	entryOf(path: string): {readonly size?: number; readonly sha256?: string | undefined} | undefined {
		const {known} = this.#source;
		const file = known.get(path);
		if (file?.directory) return undefined;
		if (file) return {size: file.size, sha256: file.sha256 ?? (file.encryption ? undefined : file.plain?.sha256)};
		const slash = path.lastIndexOf('/');
		const dump = path.slice(0, Math.max(0, slash));
		const {members} = known.get(dump) ?? {};
		if (!members) return undefined;
		const byName = this.#members.get(dump) ?? new Map(members.map(member => [member.path, member] as const));
		this.#members.set(dump, byName);
		return byName.get(path.slice(slash + 1));
	}

	/**
	 * Returns the members that a directory dump had when it was written, according to its manifest, else to its checksum
	 * file, and that are not `there`.
	 */
	async missingMembers(dump: string, there: ReadonlySet<string>, signal: AbortSignal): Promise<readonly string[]> {
		const {members} = this.#source.known.get(dump) ?? {};
		if (members) return members.flatMap(({path}) => (there.has(path) ? [] : [path]));
		const listed = (await this.#lists.membersOf(dump, signal)) ?? [];
		// The checksums of the members before their encryption are listed too.
		return listed.filter(name => !there.has(name) && !there.has(`${name}.age`));
	}

	/**
	 * Compares with the manifest, else with the checksum files, else with the metadata of the object. Throws CORRUPT.
	 */
	async compare(path: string, bytes: ReadBytes, signal: AbortSignal): Promise<void> {
		if (this.#compareEntry(path, bytes).length > 0) return;
		const compared = await this.#compareLists(path, bytes, signal);
		if (compared.length === 0) await this.#compareStored(path, bytes, signal);
	}

	/**
	 * Compares with the manifest and with all checksum files, or if there are none, with the metadata of the object. Throws
	 * CORRUPT; returns what was compared, for people.
	 */
	async compareAll(path: string, bytes: ReadBytes, signal: AbortSignal): Promise<readonly string[]> {
		const compared = [...this.#compareEntry(path, bytes), ...(await this.#compareLists(path, bytes, signal))];
		return compared.length > 0 ? compared : this.#compareStored(path, bytes, signal);
	}

	#compareEntry(path: string, {size, digests}: ReadBytes): readonly string[] {
		const entry = this.entryOf(path);
		if (entry?.size !== undefined && entry.size !== size)
			throw this.#damaged(`${display(path)} has ${size} bytes instead of the ${entry.size} in its manifest`);
		if (entry?.sha256 === undefined) return [];
		if (entry.sha256 !== digests.sha256) throw this.#differs(path, 'sha256', 'the manifest of its run');
		return ['sha256 of the manifest'];
	}

	async #compareLists(path: string, {digests}: ReadBytes, signal: AbortSignal): Promise<readonly string[]> {
		const compared: string[] = [];
		for (const algorithm of checksumAlgorithms) {
			for (const {digest, file} of await this.#lists.digestsOf(path, algorithm, signal)) {
				if (digest !== digests[algorithm]) throw this.#differs(path, algorithm, basename(file));
				compared.push(`${algorithm} of ${basename(file)}`);
			}
		}
		return compared;
	}

	async #compareStored(path: string, {digests}: ReadBytes, signal: AbortSignal): Promise<readonly string[]> {
		const stored = await this.#source.stored?.(path, signal);
		if (stored === undefined) return [];
		if (stored !== digests.sha256) throw this.#differs(path, 'sha256', 'its metadata');
		return ['sha256 of its metadata'];
	}

	#differs(path: string, algorithm: ChecksumAlgorithm, where: string): PgBackError {
		return this.#damaged(`${display(path)} is damaged: its ${algorithm} does not match ${display(where)}`);
	}

	#damaged(message: string): PgBackError {
		return new PgBackError('CORRUPT', message, {hint: this.#source.hint});
	}
}

export function missingMember(dump: string, name: string): PgBackError {
	return new PgBackError('CORRUPT', `${display(dump)}/${display(name)} is missing`, {
		hint: 'it was part of the dump when that was written: use another run, or another location',
	});
}
