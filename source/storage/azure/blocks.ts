/** Uploads a blob in blocks, and commits it with the block list. */
import {StorageError, storageError} from '../errors.js';
import type {Comparison} from '../proof.js';
import {compareAnswer, md5Of} from './checksums.js';
import type {Container} from './client.js';
import {isNoSuchBlob, readProperties} from './inspect.js';
import type {Block, Sent} from './prove-blob.js';
import {isConflict, type Upload} from './put-blob.js';
import {checkRoot} from './responses.js';
import {createWindow} from './window.js';

const mebi = 1024 * 1024;
/** The service's limit (Put Block List). */
const mostBlocks = 50_000;
/** 4,000 MiB, the service's limit since API version 2019-12-12. */
export const largestBlock = 4000 * mebi;

export function firstBlockSize(size: number, wanted = 8 * mebi): number {
	return atLeast(wanted, size / (mostBlocks * 0.9));
}

/**
 * Returns the size of the next block: equal blocks while they suffice; for a source of unknown size each later one is a
 * 2,000th of what was sent before it.
 */
export function blockSizeAt(base: number, sent: number): number {
	return atLeast(base, sent / 2000);
}

function atLeast(smallest: number, wanted: number): number {
	return wanted <= smallest ? smallest : Math.min(largestBlock, Math.ceil(wanted / mebi) * mebi);
}

/**
 * Uploads all blocks; `first` is the first one, already read. Blocks of an earlier attempt are not sent again, but then
 * nothing proves the blob.
 */
export async function putBlocks(container: Container, upload: Upload, first: Buffer, resumed: boolean): Promise<Sent> {
	const {key, options, filler, id, base} = upload;
	const {signal} = options;
	const where = {operation: 'upload', location: container.location, key} as const;
	const staged = resumed ? await stagedBlocks(container, key, signal) : new Map<string, number>();
	const blocks: Block[] = [];
	const comparisons: Comparison[] = [];
	let proven = true;
	const window = createWindow(signal, options.onProgress);
	let sent = 0;
	for (let block = first; block.length > 0;) {
		const bytes = block;
		if (blocks.length === mostBlocks)
			throw storageError('invalid', where, `more than ${mostBlocks} blocks would be needed`);
		const md5 = md5Of(bytes);
		const name = blockName(id, blocks.length, md5);
		blocks.push({name, size: bytes.length});
		const number = blocks.length;
		sent += bytes.length;
		if (staged.get(name) === bytes.length) {
			proven = false;
			window.skip(bytes.length);
		} else {
			await window.add(bytes.length, async stop => {
				const compared = await stageBlock(container, key, {name, bytes, md5, number}, stop);
				if (compared.length === 0) proven = false;
				comparisons.push(...compared);
			});
		}
		const next = Buffer.allocUnsafeSlow(blockSizeAt(base, sent));
		const filled = await filler.fill(next).catch(async (error: unknown) => {
			await window.stop(error);
			throw error;
		});
		block = next.subarray(0, filled);
		upload.hash?.update(block);
	}
	await window.finish();
	const etag = await commit(container, upload, blocks, signal);
	return {size: sent, etag, comparisons: proven ? comparisons : [], blocks};
}

/** All block names of a blob have the same length, as the service requires. */
function blockName(upload: string, index: number, md5: Buffer): string {
	return Buffer.from(`${upload}-${String(index).padStart(5, '0')}-${md5.toString('hex')}`).toString('base64');
}

type Staging = {readonly name: string; readonly bytes: Buffer; readonly md5: Buffer; readonly number: number};

/** Sends one block, again if the service received other bytes. Returns the checksums that it confirmed. */
async function stageBlock(
	{client, request}: Container,
	key: string,
	{name, bytes, md5, number}: Staging,
	signal: AbortSignal,
): Promise<readonly Comparison[]> {
	const blob = client.getBlockBlobClient(key);
	return request({operation: 'upload', key}, signal, async ({abortSignal, alive}) => {
		const options = {transactionalContentMD5: md5, abortSignal, onProgress: alive};
		const answer = await blob.stageBlock(name, bytes, bytes.length, options);
		const compared = compareAnswer(bytes, md5, answer, `block ${number}`);
		const wrong = compared.find(one => one.sent !== one.stored);
		if (!wrong) return compared;
		const {algorithm, sent, stored} = wrong;
		throw new StorageError('corrupt', `the service has ${algorithm} ${stored} for block ${number}, not ${sent}`);
	});
}

/** Returns the blocks of an earlier attempt, names with sizes; empty if they cannot be read. */
async function stagedBlocks(
	{client, request}: Container,
	key: string,
	signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
	const blob = client.getBlockBlobClient(key);
	try {
		return await request({operation: 'upload', key}, signal, async ({abortSignal}) => {
			try {
				const list = checkRoot(await blob.getBlockList('uncommitted', {abortSignal}), 'BlockList');
				return new Map((list.uncommittedBlocks ?? []).map(({name, size}) => [name, size]));
			} catch (error) {
				if (isNoSuchBlob(error)) return new Map<string, number>();
				throw error;
			}
		});
	} catch (error) {
		if (error instanceof StorageError && error.fault === 'forbidden') return new Map();
		throw error;
	}
}

/** Commits the block list and returns the blob's ETag. */
async function commit(
	container: Container,
	upload: Upload,
	blocks: readonly Block[],
	signal: AbortSignal,
): Promise<string | undefined> {
	const {key, id} = upload;
	const finish = upload.finish();
	const blob = container.client.getBlockBlobClient(key);
	return container.request({operation: 'upload', key}, signal, async request => {
		const {abortSignal, attempt} = request;
		try {
			const names = blocks.map(block => block.name);
			const {etag} = await blob.commitBlockList(names, {...finish, abortSignal});
			return etag;
		} catch (error) {
			// The response to an earlier attempt was lost: the existing blob is the one of this upload, to be proven like any
			// other.
			if (attempt === 1 || !isConflict(error)) throw error;
			const there = await readProperties(container, key, request);
			if (there?.metadata['upload'] !== id) throw error;
			return there.etag;
		}
	});
}
