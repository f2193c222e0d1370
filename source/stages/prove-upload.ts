/** Proves that an object contains the bytes of a local file when the service itself has not done so. */
import {createHash} from 'node:crypto';
import {PgBackError} from '../core/errors.js';
import {releaseDisposable} from '../lib/release.js';
import {StorageError, storageError} from '../storage/errors.js';
import {type Comparison, judge, type Proof, type StoredChecksum} from '../storage/proof.js';
import type {PutResult, PutSource, Storage} from '../storage/storage.js';
import {removeStored} from './remove-stored.js';

/** The local file that an object is compared with; may be read several times. */
export type Original = {
	readonly source: PutSource;
	/** Bytes. */
	readonly size: number;
	/** Lower-case hexadecimal, if already known. */
	readonly sha256: string | undefined;
};

type Place = {
	readonly storage: Storage;
	readonly key: string;
	readonly signal: AbortSignal;
	/** Only reading back counts. */
	readonly mustRead: boolean;
};

/**
 * Decides whether the object that already exists under the upload's key is the file itself, left by a killed run or
 * after a lost response. Only checksums of the service and reading back count. Throws EXISTS when the object is a
 * different or damaged one.
 */
export async function proveExisting(place: Place, original: Original, met: PgBackError): Promise<PutResult> {
	const {storage, key, signal, mustRead} = place;
	const info = await storage.stat(key, {signal});
	if (!info) throw met;
	const {size} = original;
	const other = (reason: string) =>
		storageError(
			'exists',
			{operation: 'upload', location: storage.location, key},
			`an object with different content already exists: ${reason}`,
			{hint: 'compare it with the local file, remove or rename it, then upload again', cause: met},
		);
	if (info.size !== size) throw other(`it has ${info.size} bytes, not ${size}`);
	const comparisons = mustRead ? [] : await compareWith(original, info.checksums ?? [], signal);
	const verdict = judge({sent: size, stored: info.size, comparisons});
	if (verdict.kind === 'proven') return {size, proof: verdict.proof};
	if (!(await readBackMatches(place, original))) throw other('its data differs');
	return {size, proof: {by: 'read back'}};
}

/**
 * Returns the proof that an upload needs before its local copy may be deleted, reading the object back if nothing else
 * proves it. Without read permission, nothing more is proven; with `mustRead` that is an error. A damaged object is removed if this upload certainly created
 * it; this throws an error of fault `corrupt`, or `exhausted` if the object could not be removed.
 */
export async function proveStored(place: Place, original: Original, result: PutResult): Promise<Proof> {
	try {
		if (await readBackMatches(place, original)) return {by: 'read back'};
	} catch (error) {
		if (!place.mustRead && error instanceof StorageError && error.fault === 'forbidden') return result.proof;
		throw error;
	}
	const {storage, key} = place;
	const removal = await removeDamaged(place, result);
	throw storageError(
		'corrupt',
		{operation: 'upload', location: storage.location, key},
		`read back different data than was sent, ${removal.text}`,
		{exhausted: !removal.done},
	);
}

async function removeDamaged(
	{storage, key}: Place,
	{created}: PutResult,
): Promise<{readonly done: boolean; readonly text: string}> {
	if (!created) return {done: false, text: 'the damaged object is still there'};
	const [left] = await removeStored(storage, [key]);
	if (left) return {done: false, text: `the damaged object ${left.state} there: ${left.why}`};
	return {done: true, text: 'the damaged object was removed'};
}

async function readBackMatches({storage, key, signal}: Place, original: Original): Promise<boolean> {
	const own = original.sha256 ?? (await sha256Of(original.source.read(0, signal)));
	try {
		return (await sha256Of(storage.get(key, {signal}), original.size)) === own;
	} catch (error) {
		// The store itself has compared what it received, with the service's checksum or size.
		if (error instanceof PgBackError && error.code === 'CORRUPT') return false;
		throw error;
	}
}

/** Returns undefined after more than `most` bytes: a server may send without end. */
async function sha256Of(chunks: AsyncIterable<Uint8Array>, most = Infinity): Promise<string | undefined> {
	const hash = createHash('sha256');
	let bytes = 0;
	for await (const chunk of chunks) {
		bytes += chunk.length;
		if (bytes > most) return undefined;
		hash.update(chunk);
		releaseDisposable(chunk);
	}
	return hash.digest('hex');
}

/** Compares the checksums of the service with those of the file, as far as they can be computed here. */
async function compareWith(
	{source, sha256}: Original,
	checksums: readonly StoredChecksum[],
	signal: AbortSignal,
): Promise<readonly Comparison[]> {
	const wanted = new Set(checksums.map(one => one.algorithm));
	const own = new Map<string, string>();
	if (sha256 !== undefined) own.set('sha256', sha256);
	const hashes = (['md5', 'sha256'] as const)
		.filter(name => wanted.has(name) && !own.has(name))
		.map(name => ({name, hash: createHash(name)}));
	if (hashes.length > 0 || wanted.has('crc32')) {
		const {crc32} = process.getBuiltinModule('node:zlib'); // most runs need no checksum of this kind
		let crc = 0;
		for await (const chunk of source.read(0, signal)) {
			if (wanted.has('crc32')) crc = crc32(chunk, crc);
			for (const {hash} of hashes) hash.update(chunk);
			releaseDisposable(chunk);
		}
		own.set('crc32', crc.toString(16).padStart(8, '0'));
		for (const {name, hash} of hashes) own.set(name, hash.digest('hex'));
	}
	return checksums.flatMap(({algorithm, from, value}) => {
		const sent = own.get(algorithm);
		return sent === undefined ? [] : [{algorithm, from, sent, stored: value.toLowerCase()}];
	});
}
