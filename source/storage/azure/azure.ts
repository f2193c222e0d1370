import type {ContainerClient, ContainerListBlobFlatSegmentResponse} from '@azure/storage-blob';
import {PgBackError} from '../../core/errors.js';
import {isPermanentError, storageError, type StorageError} from '../errors.js';
import {compareKeys, keyGuard} from '../keys.js';
import type {OpenContext, RemoveResult, Storage, StorageObject} from '../storage.js';
import {openContainer, type Container} from './client.js';
import {codeOf} from './errors.js';
import type {AzureSettings} from './settings.js';
import {upload} from './upload.js';

export type {AzureSettings} from './settings.js';

/** The service's limit for one batch of deletions. */
const batchSize = 256;

/**
 * A container of Azure Blob Storage; the name of a blob is the key. Throws PgBackError CONFIG for settings that cannot work.
 * Blocks of an upload that nobody finishes are never visible, and the service drops them after a week: there is no cleanup.
 */
export async function openAzure(settings: AzureSettings, context: OpenContext): Promise<Storage> {
	const container = openContainer(settings, context);
	const {client, location} = container;
	const check = keyGuard(location, keyProblem);
	return {
		kind: 'azure',
		location,
		watchesIdle: true,
		list: (prefix, {signal, after}) => list(container, prefix, signal, after),
		async put(key, source, options) {
			options.signal.throwIfAborted();
			check(key, 'upload');
			return upload(container, key, source, options);
		},
		get: (key, {signal, offset = 0}) => {
			check(key, 'download');
			return download(container, key, offset, signal);
		},
		async stat(key, {signal}) {
			check(key, 'inspect');
			const info = await container.once({operation: 'inspect', key}, signal, async ({abortSignal}) => {
				try {
					return await client.getBlobClient(key).getProperties({abortSignal});
				} catch (error) {
					if ((error as {statusCode?: number}).statusCode === 404 && codeOf(error) !== 'ContainerNotFound')
						return undefined;
					throw error;
				}
			});
			if (!info) return undefined;
			return {
				key,
				size: info.contentLength ?? 0,
				modified: info.lastModified?.getTime(),
				metadata: info.metadata ?? {},
				...(info.contentMD5 ? {checksums: {md5: Buffer.from(info.contentMD5).toString('hex')}} : {}),
			};
		},
		async remove(keys, {signal}) {
			const results: RemoveResult[] = [];
			for (let at = 0; at < keys.length; at += batchSize)
				results.push(...(await removeBatch(container, keys.slice(at, at + batchSize), signal)));
			signal.throwIfAborted();
			return results;
		},
		isPermanent: isPermanentError,
		close: () => Promise.resolve(),
	};
}

/** What the service would change or refuse (Naming and Referencing Containers, Blobs, and Metadata). */
function keyProblem(key: string): string | undefined {
	if (key === '') return 'the key is empty';
	if (!key.isWellFormed()) return 'the key is not valid Unicode';
	if (key.length > 1024) return 'the key is longer than 1024 characters';
	if (key.includes('\\')) return 'Azure turns a backslash into a slash';
	if (key.split('/').some(segment => segment === '.' || segment === '..' || segment === ''))
		return 'Azure drops a segment that is empty, "." or ".."';
	if (/\.$/.test(key)) return 'Azure drops a dot at the end of a name';

	if (/[\u0000-\u001F\u007F\uFFFE\uFFFF]/.test(key)) return 'Azure holds no names with control characters';
	return undefined;
}

async function* list(
	{client, once}: Container,
	prefix: string,
	signal: AbortSignal,
	after: string | undefined,
): AsyncGenerator<StorageObject> {
	const where = {operation: 'list', key: prefix || undefined} as const;
	let token: string | undefined;
	do {
		const page = await once(where, signal, ({abortSignal}) => onePage(client, prefix, token, abortSignal));
		for (const {name, properties} of page.segment.blobItems) {
			signal.throwIfAborted();
			if (after !== undefined && compareKeys(name, after) <= 0) continue;
			yield {key: name, size: properties.contentLength ?? 0, modified: properties.lastModified.getTime()};
		}
		token = page.continuationToken;
	} while (token);
}

async function onePage(
	client: ContainerClient,
	prefix: string,
	continuationToken: string | undefined,
	abortSignal: AbortSignal,
): Promise<ContainerListBlobFlatSegmentResponse> {
	const pages = client.listBlobsFlat({prefix, abortSignal}).byPage({maxPageSize: 5000, continuationToken});
	for await (const page of pages) return page;
	throw new PgBackError('BUG', 'the Azure SDK gave no page');
}

async function* download(
	{client, once, location}: Container,
	key: string,
	offset: number,
	signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
	const where = {operation: 'download', key} as const;
	const blob = client.getBlobClient(key);
	const {contentLength: size = 0, etag} = await once(where, signal, ({abortSignal}) =>
		blob.getProperties({abortSignal}),
	);
	if (offset >= size) return;
	// One version from the first byte to the last, whoever replaces the blob meanwhile.
	const response = await once(where, signal, ({abortSignal}) =>
		blob.download(offset, undefined, {abortSignal, conditions: {ifMatch: etag}, maxRetryRequests: 0}),
	);
	const {readableStreamBody: body} = response;
	if (!body) throw new PgBackError('BUG', 'the Azure SDK gave no stream');
	const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
	let at = offset;
	try {
		for (;;) {
			const next = await once(where, signal, async ({abortSignal}) => {
				const onAbort = () =>
					(body as NodeJS.ReadableStream & {destroy: (error?: Error) => void}).destroy(abortSignal.reason as Error);
				abortSignal.addEventListener('abort', onAbort, {once: true});
				try {
					return await chunks.next();
				} finally {
					abortSignal.removeEventListener('abort', onAbort);
				}
			});
			if (next.done) break;
			at += next.value.length;
			yield next.value;
		}
	} finally {
		await chunks.return?.();
	}
	if (at !== size)
		throw storageError('network', {...where, location}, `the download ended after ${at} of ${size} bytes`);
}

async function removeBatch(
	container: Container,
	keys: readonly string[],
	signal: AbortSignal,
): Promise<RemoveResult[]> {
	const {client, once, location} = container;
	const valid = keys.filter(key => keyProblem(key) === undefined);
	const batch = client.getBlobBatchClient();
	const {subResponses} = await once(
		{operation: 'remove', key: keys.length === 1 ? keys[0] : undefined},
		signal,
		async ({abortSignal}) =>
			valid.length === 0
				? {subResponses: []}
				: batch.deleteBlobs(
						valid.map(key => client.getBlobClient(key)),
						{abortSignal, deleteSnapshots: 'include'},
					),
	);
	const failures = new Map<string, StorageError>();
	for (const [index, {status, errorCode}] of subResponses.entries()) {
		const key = valid[index] ?? '';
		if (status < 300 || (status === 404 && errorCode !== 'ContainerNotFound')) continue;
		const fault =
			status === 401 || status === 403
				? 'forbidden'
				: status === 503 || status === 429
					? 'throttled'
					: status >= 500
						? 'server'
						: 'invalid';
		failures.set(
			key,
			storageError(fault, {operation: 'remove', location, key}, `${errorCode ?? 'refused'}, HTTP status ${status}`),
		);
	}
	return keys.map(key => {
		const error = failures.get(key);
		return error ? {key, error} : {key};
	});
}
