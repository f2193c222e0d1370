/**
 * Claims of a divided run's processes: small objects that name what is about to be uploaded, and are written before the
 * files. By them, a later process can prove which bytes belong to the run. Their names contain the checksum of the main
 * file, so that no claim replaces another.
 */
import {count, type Decode, DecodeError, list, object, string, text} from '../lib/decode.js';
import type {ManifestFile} from '../repository/manifest.js';
import {fileOfManifest} from '../repository/manifest-read.js';
import {parsePath} from '../retention/names.js';

export type Claim = {
	readonly schema: 1;
	readonly runId: string;
	/** The main file first. */
	readonly files: readonly ManifestFile[];
	/**
	 * Base64 of the bytes of small files, by their index in `files`: another process can upload them instead of this one.
	 */
	readonly contents: readonly {readonly index: number; readonly base64: string}[];
};

/** Maximum bytes of a file that is stored in a claim. */
export const largestContent = 256 << 10;
/** Bytes. */
export const largestClaim = 16 << 20;

const sha256 = /^[0-9a-f]{64}$/;
const decodeClaim: Decode<Omit<Claim, 'schema'>> = object({
	runId: string,
	files: list(fileOfManifest),
	contents: list(object({index: count, base64: text(value => /^[A-Za-z0-9+/]*={0,2}$/.test(value), 'base64 text')})),
});

/** `main` is the checksum of the main file. */
export function claimName(subjectText: string, main: string): string {
	return `${subjectText}.${main}.json`;
}

/** Returns the checksum in the name of a claim of this subject; undefined for any other name. */
export function checksumOfClaim(name: string, subjectText: string): string | undefined {
	if (!name.startsWith(`${subjectText}.`) || !name.endsWith('.json')) return undefined;
	const checksum = name.slice(subjectText.length + 1, -'.json'.length);
	return sha256.test(checksum) ? checksum : undefined;
}

/** Returns undefined for content that is not a claim of this run and this subject, and proves nothing. */
export function parseClaim(
	content: string,
	{runId, subjectText, main}: {readonly runId: string; readonly subjectText: string; readonly main: string},
): Claim | undefined {
	try {
		const claim = decodeClaim(JSON.parse(content), '');
		const isOfSubject = claim.files.every(file => parsePath(file.path)?.subjectText === subjectText);
		const isWhole = claim.files.every(file => file.sha256 !== undefined);
		if (claim.runId !== runId || !isOfSubject || !isWhole || claim.files[0]?.sha256 !== main) return undefined;
		return {schema: 1, ...claim};
	} catch (error) {
		if (error instanceof SyntaxError || error instanceof DecodeError) return undefined;
		throw error;
	}
}
