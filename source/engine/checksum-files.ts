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

/** The digest of `path` in a checksum file's text: lines of `HEX  name` or `HEX *name`. Names of pg_back 2.x are absolute paths. */
export function digestOf(text: string, path: string): string | undefined {
	for (const line of text.split('\n')) {
		const [, digest, name] = /^\\?([0-9a-f]{40,128}) [ *](.+)$/i.exec(line) ?? [];
		if (digest === undefined || name === undefined) continue;
		if (name === path || path.endsWith(`/${name}`) || name.endsWith(`/${path}`) || sameEnd(name, path)) return digest;
	}
	return undefined;
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
