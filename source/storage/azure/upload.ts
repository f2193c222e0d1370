/** Blocks, each with its own MD5, and a list of them that makes the blob visible in one step. */
import {createHash, randomBytes, type Hash} from 'node:crypto';
import {storageError, StorageError} from '../errors.js';
import {createFiller, type Filler} from '../fill.js';
import type {PutOptions, PutResult, PutSource} from '../storage.js';
import type {Container} from './client.js';

const mebi = 1024 * 1024;
/** The service's limit (Put Block List). */
const mostBlocks = 50_000;
/** 4,000 MiB, the service's limit since API version 2019-12-12. */
const largestBlock = 4000 * mebi;
/** Bytes of blocks on the way at once. */
const inFlight = 32 * mebi;

/** What `onJournal` is given. The blocks themselves are named by their content, so nothing else needs to be kept. */
type Journal = {readonly upload: string; readonly base: number};

/** What fits into one block goes out in one request, anything else in blocks. */
export async function upload(
	container: Container,
	key: string,
	source: PutSource,
	options: PutOptions,
): Promise<PutResult> {
	const where = {operation: 'upload', key} as const;
	const {signal} = options;
	if (options.ifAbsent) await refuseExisting(container, key, signal);
	const old = journalOf(options.journal);
	const base = old?.base ?? firstBlockSize(source.size ?? 0, container.settings.blockSize);
	const filler = createFiller(source, 0, signal);
	const hash = options.sha256 ? createHash('sha256') : undefined;
	try {
		const first = Buffer.allocUnsafeSlow(source.size === undefined ? base : Math.min(base, source.size + 1));
		const bytes = await filler.fill(first);
		hash?.update(first.subarray(0, bytes));
		const sent =
			bytes < first.length
				? await putWhole(container, key, first.subarray(0, bytes), options, hash)
				: await putBlocks(container, key, {filler, first, hash, base, upload: old?.upload}, options);
		const info = await container.request(where, signal, request =>
			container.client.getBlobClient(key).getProperties(request),
		);
		if (info.contentLength !== sent) {
			throw storageError(
				'corrupt',
				{...where, location: container.location},
				`${info.contentLength ?? 0} of ${sent} bytes are there`,
			);
		}
		options.onJournal?.(undefined);
		return {size: sent, checked: 'size and md5 of every block checked'};
	} finally {
		await filler.close();
	}
}

function journalOf(journal: unknown): Journal | undefined {
	const {upload: id, base} = (journal ?? {}) as {upload?: unknown; base?: unknown};
	if (typeof id !== 'string' || !/^[0-9a-f]{8}$/.test(id)) return undefined;
	return typeof base === 'number' && Number.isSafeInteger(base) && base > 0 && base <= largestBlock
		? {upload: id, base}
		: undefined;
}

function firstBlockSize(size: number, wanted = 8 * mebi): number {
	return atLeast(wanted, size / (mostBlocks * 0.9));
}

/** Equal blocks while they suffice; for a source of unknown size each is then a 2,000th of what was sent before it. */
export function blockSizeAt(base: number, sent: number): number {
	return atLeast(base, sent / 2000);
}

function atLeast(smallest: number, wanted: number): number {
	return wanted <= smallest ? smallest : Math.min(largestBlock, Math.ceil(wanted / mebi) * mebi);
}

async function refuseExisting(container: Container, key: string, signal: AbortSignal): Promise<void> {
	const exists = await container.request({operation: 'upload', key}, signal, request =>
		container.client.getBlobClient(key).exists(request),
	);
	if (exists) throw existing(container, key);
}

function existing(container: Container, key: string): StorageError {
	return storageError('exists', {operation: 'upload', location: container.location, key}, 'it exists already');
}

/** Metadata, and what must hold at the end: the digest is the recorded one, and with `ifAbsent` nobody was faster. */
function finishOptions(options: PutOptions, hash: Hash | undefined) {
	const expected = options.sha256?.();
	if (expected !== undefined && hash && hash.digest('hex') !== expected) {
		throw new StorageError('invalid', 'the bytes are not those whose sha256 is recorded', {
			hint: 'the file changed since it was dumped: see what else writes to it',
		});
	}
	const metadata = Object.fromEntries(Object.entries(options.metadata?.() ?? {}).filter(([, value]) => value !== ''));
	return {metadata, conditions: options.ifAbsent ? {ifNoneMatch: '*'} : {}};
}

async function putWhole(
	container: Container,
	key: string,
	bytes: Buffer,
	options: PutOptions,
	hash: Hash | undefined,
): Promise<number> {
	const blob = container.client.getBlockBlobClient(key);
	const md5 = createHash('md5').update(bytes).digest();
	const finish = finishFor(container, key, options, hash);
	await container.request({operation: 'upload', key}, options.signal, async request => {
		try {
			await blob.upload(bytes, bytes.length, {
				...finish,
				transactionalContentMD5: md5,
				blobHTTPHeaders: {blobContentMD5: md5},
				abortSignal: request.abortSignal,
				onProgress: request.alive,
			});
		} catch (error) {
			// An answer that was lost: what is there is what we sent.
			if (request.attempt === 1 || !isConflict(error)) throw error;
			const there = await blob.getProperties({abortSignal: request.abortSignal});
			if (!there.contentMD5 || !Buffer.from(there.contentMD5).equals(md5)) throw existing(container, key);
		}
	});
	options.onProgress?.(bytes.length);
	return bytes.length;
}

/** The same with errors that name the key. */
function finishFor(container: Container, key: string, options: PutOptions, hash: Hash | undefined) {
	try {
		return finishOptions(options, hash);
	} catch (error) {
		if (!(error instanceof StorageError)) throw error;
		throw storageError(error.fault, {operation: 'upload', location: container.location, key}, error.message, {
			hint: error.hint,
		});
	}
}

function isConflict(error: unknown): boolean {
	const {statusCode} = error as {statusCode?: number};
	return statusCode === 409 || statusCode === 412;
}

type Begun = {
	readonly filler: Filler;
	readonly first: Buffer;
	readonly hash: Hash | undefined;
	readonly base: number;
	readonly upload: string | undefined;
};

async function putBlocks(container: Container, key: string, begun: Begun, options: PutOptions): Promise<number> {
	const {filler, hash, base} = begun;
	const {signal} = options;
	const blob = container.client.getBlockBlobClient(key);
	const upload = begun.upload ?? randomBytes(4).toString('hex');
	const there = begun.upload === undefined ? new Map<string, number>() : await stagedBlocks(container, key, signal);
	options.onJournal?.({upload, base} satisfies Journal);
	const ids: string[] = [];
	const window = createWindow(signal, options.onProgress);
	let sent = 0;
	for (let block = begun.first; block.length > 0;) {
		const bytes = block;
		if (ids.length === mostBlocks)
			throw storageError(
				'invalid',
				{operation: 'upload', location: container.location, key},
				`more than ${mostBlocks} blocks would be needed`,
			);
		const md5 = createHash('md5').update(bytes).digest();
		const id = Buffer.from(`${upload}-${String(ids.length).padStart(5, '0')}-${md5.toString('hex')}`).toString(
			'base64',
		);
		ids.push(id);
		sent += bytes.length;
		if (there.get(id) === bytes.length) window.skip(bytes.length);
		else {
			await window.add(bytes.length, stop =>
				container.request({operation: 'upload', key}, stop, request =>
					blob.stageBlock(id, bytes, bytes.length, {
						transactionalContentMD5: md5,
						abortSignal: request.abortSignal,
						onProgress: request.alive,
					}),
				),
			);
		}
		const next = Buffer.allocUnsafeSlow(blockSizeAt(base, sent));
		const filled = await filler.fill(next).catch(async (error: unknown) => {
			await window.stop(error);
			throw error;
		});
		block = next.subarray(0, filled);
		hash?.update(block);
	}
	await window.finish();
	await commit(container, key, ids, finishFor(container, key, options, hash), signal);
	return sent;
}

/** Blocks that an earlier upload left. Their names hold their MD5, which the service has compared when they came. */
async function stagedBlocks(container: Container, key: string, signal: AbortSignal): Promise<Map<string, number>> {
	const blob = container.client.getBlockBlobClient(key);
	const blocks = await container.request({operation: 'upload', key}, signal, async request => {
		try {
			return (await blob.getBlockList('uncommitted', {abortSignal: request.abortSignal})).uncommittedBlocks ?? [];
		} catch (error) {
			if ((error as {statusCode?: number}).statusCode === 404) return [];
			throw error;
		}
	});
	return new Map(blocks.map(block => [block.name, block.size]));
}

async function commit(
	container: Container,
	key: string,
	ids: string[],
	finish: ReturnType<typeof finishOptions>,
	signal: AbortSignal,
): Promise<void> {
	const blob = container.client.getBlockBlobClient(key);
	await container.request({operation: 'upload', key}, signal, async request => {
		try {
			await blob.commitBlockList(ids, {...finish, abortSignal: request.abortSignal});
		} catch (error) {
			// An answer that was lost: the list that is there is ours.
			if (request.attempt === 1 || !isConflict(error)) throw error;
			const {committedBlocks = []} = await blob.getBlockList('committed', {abortSignal: request.abortSignal});
			if (committedBlocks.map(block => block.name).join() !== ids.join()) throw existing(container, key);
		}
	});
}

/** Blocks on the way at once, and the bytes that are confirmed without a gap. */
function createWindow(outer: AbortSignal, onProgress: ((bytes: number) => void) | undefined) {
	const failure = new AbortController();
	const signal = AbortSignal.any([outer, failure.signal]);
	const running = new Set<Promise<void>>();
	const queue: {readonly bytes: number; done: boolean}[] = [];
	let confirmed = 0;
	let moving = 0;
	const advance = (): void => {
		const before = confirmed;
		while (queue[0]?.done) confirmed += queue.shift()?.bytes ?? 0;
		if (confirmed > before) onProgress?.(confirmed);
	};
	const check = (): void => {
		outer.throwIfAborted();
		if (failure.signal.aborted) throw failure.signal.reason;
	};
	let skipped = 0;
	return {
		/** Bytes that are there already: told with the first that are not. */
		skip(bytes: number): void {
			if (queue.length === 0) skipped += bytes;
			else queue.push({bytes, done: true});
		},
		async add(bytes: number, send: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
			if (skipped > 0) {
				confirmed += skipped;
				skipped = 0;
				onProgress?.(confirmed);
			}
			while (running.size > 0 && moving + bytes > inFlight) await Promise.race(running);
			check();
			const one = {bytes, done: false};
			queue.push(one);
			moving += bytes;
			const sending = send(signal).then(
				() => {
					one.done = true;
					moving -= bytes;
					if (!signal.aborted) advance();
				},
				(error: unknown) => failure.abort(error),
			);
			running.add(sending);
			void sending.finally(() => running.delete(sending));
		},
		async stop(error: unknown): Promise<void> {
			failure.abort(error);
			await Promise.all(running);
		},
		async finish(): Promise<void> {
			await Promise.all(running);
			check();
			if (skipped > 0) onProgress?.(confirmed + skipped);
		},
	};
}
