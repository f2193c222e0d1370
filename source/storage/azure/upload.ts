/** Uploads a blob, in one request or in blocks, and compares the service's checksums with what was sent. */
import {createHash, type Hash, randomBytes} from 'node:crypto';
import {StorageError, storageError} from '../errors.js';
import {sizeText} from '../proof.js';
import {createSourceReader} from '../source-reader.js';
import type {PutOptions, PutResult, PutSource} from '../storage.js';
import {firstBlockSize, putBlocks} from './blocks.js';
import type {Container} from './client.js';
import {type BlobProperties, inspectBlob} from './inspect.js';
import {type Journal, readJournal} from './journal.js';
import {DamagedBlobRemains, proveBlob, removeDamaged} from './prove-blob.js';
import {putWhole, type Upload} from './put-blob.js';

/**
 * Sends a source that fits into one block in one request, any other in blocks. With `ifAbsent` it throws EXISTS when
 * another blob exists.
 */
export async function upload(
	container: Container,
	key: string,
	source: PutSource,
	options: PutOptions,
): Promise<PutResult> {
	const {signal} = options;
	const old = readJournal(options.journal);
	const journal: Journal = {
		upload: old?.upload ?? randomBytes(8).toString('hex'),
		base: old?.base ?? firstBlockSize(source.size ?? 0, container.settings.blockSize),
	};
	const filler = createSourceReader(source, 0, signal);
	const hash = options.sha256 ? createHash('sha256') : undefined;
	const finish = () => finishOptions(container, key, options, {hash, id: journal.upload});
	const one: Upload = {key, options, filler, hash, id: journal.upload, base: journal.base, finish};
	try {
		const found = options.ifAbsent && !options.atomic ? await inspectBlob(container, key, signal) : undefined;
		if (found === 'forbidden') container.warnUnreadable();
		else if (found !== undefined) return await adopt(container, one, found, old);
		const first = Buffer.allocUnsafeSlow(Math.min(journal.base, (source.size ?? Infinity) + 1));
		const bytes = await filler.fill(first);
		hash?.update(first.subarray(0, bytes));
		options.onJournal?.(journal);
		const sent =
			bytes < first.length
				? await putWhole(container, one, first.subarray(0, bytes))
				: await putBlocks(container, one, first, old !== undefined);
		const proof = await proveBlob(container, key, sent, signal);
		options.onJournal?.(undefined);
		return {size: sent.size, proof, ...(options.ifAbsent && {created: true})};
	} catch (error) {
		recordFailure(options, journal, error);
		signal.throwIfAborted();
		throw await confirmExists(container, one, error);
	} finally {
		await filler.close();
	}
}

/** Keeps the journal of a damaged blob that remains, so that it is never accepted. */
function recordFailure({onJournal}: PutOptions, journal: Journal, error: unknown): void {
	if (error instanceof DamagedBlobRemains)
		onJournal?.({...journal, ...(error.etag !== undefined && {damaged: error.etag})});
	else if (error instanceof StorageError && error.fault === 'corrupt') onJournal?.(undefined);
}

/**
 * Handles an existing blob. If an earlier attempt of this upload created it with the length of the source, it is
 * accepted, although nothing proves its bytes; with another length it is damaged and removed. Any other blob is EXISTS.
 */
async function adopt(
	container: Container,
	{key, options, filler, hash, finish}: Upload,
	found: BlobProperties,
	old: Journal | undefined,
): Promise<PutResult> {
	if (old?.damaged !== undefined && old.damaged === found.etag)
		throw new DamagedBlobRemains(container, key, 'the damaged blob of an earlier upload is still there', found.etag);
	if (old === undefined || found.metadata['upload'] !== old.upload)
		throw storageError('exists', {operation: 'upload', location: container.location, key}, 'already exists');
	const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
	let size = 0;
	for (let bytes = await filler.fill(buffer); bytes > 0; bytes = await filler.fill(buffer)) {
		hash?.update(buffer.subarray(0, bytes));
		size += bytes;
	}
	finish();
	if (found.size !== size) throw await removeDamaged(container, key, found.etag, sizeText(found.size, size));
	options.onProgress?.(size);
	options.onJournal?.(undefined);
	return {size, proof: {by: 'size'}, created: true};
}

/**
 * Returns the metadata and the final conditions: the checksum is the recorded one, and with `ifAbsent` no other upload
 * was faster.
 */
function finishOptions(
	{location}: Container,
	key: string,
	options: PutOptions,
	{hash, id}: {readonly hash: Hash | undefined; readonly id: string},
) {
	const expected = options.sha256?.();
	if (expected !== undefined && hash && hash.digest('hex') !== expected) {
		const where = {operation: 'upload', location, key} as const;
		throw storageError('invalid', where, 'the data does not match the recorded sha256', {
			hint: 'the file changed since it was dumped: check what else writes to it',
		});
	}
	const given = Object.entries(options.metadata?.() ?? {}).filter(([, value]) => value !== '');
	const metadata: Record<string, string> = {...Object.fromEntries(given), upload: id};
	return {metadata, conditions: options.ifAbsent ? {ifNoneMatch: '*'} : {}};
}

/** Passes on a rejection because the blob exists only when the blob can be seen, or when nothing can be seen. */
async function confirmExists(container: Container, {key, options}: Upload, error: unknown): Promise<unknown> {
	if (!(error instanceof StorageError) || error.fault !== 'exists') return error;
	if ((await inspectBlob(container, key, options.signal)) !== undefined) return error;
	const where = {operation: 'upload', location: container.location, key} as const;
	return storageError('server', where, 'the service reported that it exists, but it does not', {cause: error});
}
