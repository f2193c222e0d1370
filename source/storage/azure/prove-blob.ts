/** Proves an uploaded blob, and removes a damaged one. */
import {notKeptHint, StorageError, storageError} from '../errors.js';
import {type Comparison, judge, type Proof} from '../proof.js';
import {confirmGone, remainsText, uncheckable} from '../removal-check.js';
import type {Container} from './client.js';
import {inspectBlob} from './inspect.js';
import {removeBlob} from './removal.js';
import {checkRoot} from './responses.js';

/** What was sent, and the service's response to it. */
export type Sent = {
	/** Bytes. */
	readonly size: number;
	/** From the response that made the blob visible. */
	readonly etag: string | undefined;
	/** For the whole blob, or for every block; empty when the service returned no checksum for a part of it. */
	readonly comparisons: readonly Comparison[];
	/** In order; undefined for a blob sent in one request. */
	readonly blocks: readonly Block[] | undefined;
};

export type Block = {
	/** base64. */
	readonly name: string;
	/** Bytes. */
	readonly size: number;
};

/** Milliseconds for the removal of a damaged blob, also in a canceled run. */
const removalTime = 30_000;

/** A damaged blob that still exists. */
export class DamagedBlobRemains extends StorageError {
	/** ETag of the damaged blob. */
	readonly etag: string | undefined;

	constructor({location}: Container, key: string, reason: string, etag: string | undefined) {
		const hint = 'remove the damaged blob by hand, or ask an administrator to remove it; the local file is kept';
		super('corrupt', storageError('corrupt', {operation: 'upload', location, key}, reason).message, {
			hint,
			exhausted: true,
		});
		this.etag = etag;
	}
}

/**
 * Proves the blob: one request by the returned checksum; blocks by their checksums and by the service's list of
 * committed blocks. Without read permission, blocks are not proven. Removes a damaged blob, and no other, and throws
 * `corrupt`, or DamagedBlobRemains when it could not be removed.
 */
export async function proveBlob(container: Container, key: string, sent: Sent, signal: AbortSignal): Promise<Proof> {
	const {comparisons, blocks, etag} = sent;
	const where = {operation: 'upload', location: container.location, key} as const;
	const answered = judge({sent: sent.size, stored: sent.size, comparisons});
	if (answered.kind === 'damaged') throw await removeDamaged(container, key, etag, answered.reason);
	const found = await inspectBlob(container, key, signal);
	if (found === 'forbidden') {
		container.warnUnreadable();
		return blocks === undefined && answered.kind === 'proven' ? answered.proof : {by: 'size'};
	}
	if (found === undefined)
		throw storageError('corrupt', where, 'the blob does not exist after the upload', {hint: notKeptHint});
	if (etag !== undefined && found.etag !== undefined && plain(found.etag) !== plain(etag)) {
		throw storageError('exists', where, 'it was replaced by another blob', {
			hint: 'check what else writes there, then upload again under a different name',
		});
	}
	const verdict = judge({sent: sent.size, stored: found.size, comparisons});
	if (verdict.kind === 'damaged') throw await removeDamaged(container, key, etag, verdict.reason);
	if (blocks !== undefined) {
		const listed = await committedBlocks(container, key, signal);
		if (listed === undefined) return {by: 'size'};
		const problem = differenceOf(blocks, listed);
		if (problem !== undefined) throw await removeDamaged(container, key, etag, problem);
	}
	return verdict.kind === 'proven' ? verdict.proof : {by: 'size'};
}

/** Some responses quote the ETag, others do not. */
function plain(etag: string): string {
	return etag.replaceAll('"', '');
}

/** Returns undefined if the list cannot be read or is not supported. */
async function committedBlocks(
	{client, request}: Container,
	key: string,
	signal: AbortSignal,
): Promise<readonly Block[] | undefined> {
	try {
		return await request({operation: 'upload', key}, signal, async ({abortSignal}) => {
			const list = await client.getBlockBlobClient(key).getBlockList('committed', {abortSignal});
			return (checkRoot(list, 'BlockList').committedBlocks ?? []).map(({name, size}) => ({name, size}));
		});
	} catch (error) {
		if (error instanceof StorageError && ['forbidden', 'unsupported', 'invalid'].includes(error.fault))
			return undefined;
		throw error;
	}
}

function differenceOf(sent: readonly Block[], stored: readonly Block[]): string | undefined {
	if (sent.length !== stored.length) return `only ${stored.length} of ${sent.length} blocks were stored`;
	const wrong = sent.findIndex((block, at) => block.name !== stored[at]?.name || block.size !== stored[at].size);
	return wrong === -1 ? undefined : `block ${wrong + 1} differs from what was sent`;
}

/** Removes a damaged blob of ours, identified by its ETag. Returns the error to throw. */
export async function removeDamaged(
	container: Container,
	key: string,
	etag: string | undefined,
	reason: string,
): Promise<StorageError> {
	if (etag === undefined)
		return new DamagedBlobRemains(container, key, `${reason}; the damaged blob could not be removed`, etag);
	const signal = AbortSignal.timeout(removalTime);
	const isThere = async () => {
		const found = await inspectBlob(container, key, signal);
		if (found === 'forbidden') throw uncheckable();
		return found !== undefined && plain(found.etag ?? etag) === plain(etag);
	};
	try {
		await removeBlob(container, key, etag, signal);
		await confirmGone(isThere, {clock: container.clock, signal});
	} catch (error) {
		const why = remainsText('the damaged blob', error);
		return new DamagedBlobRemains(container, key, `${reason}; ${why}`, etag);
	}
	const where = {operation: 'upload', location: container.location, key} as const;
	return storageError('corrupt', where, `${reason}; the damaged blob was removed`);
}
