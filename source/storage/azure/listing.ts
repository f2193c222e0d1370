/** Lists a container page by page. */
import {PgBackError} from '../../core/errors.js';
import {compareUtf8} from '../../lib/compare-utf8.js';
import {createCollector} from '../../lib/memory.js';
import type {RawEntry} from '../listed-entry.js';
import {createListingProgress} from '../listing-progress.js';
import type {Container} from './client.js';
import {type ListedPage, readPage} from './responses.js';

export async function* list(
	{client, once}: Container,
	prefix: string,
	signal: AbortSignal,
	after: string | undefined,
): AsyncGenerator<RawEntry> {
	const where = {operation: 'list', key: prefix || undefined} as const;
	const progress = createListingProgress();
	const onePage = async (continuationToken: string | undefined, abortSignal: AbortSignal): Promise<ListedPage> => {
		const pages = client.listBlobsFlat({prefix, abortSignal}).byPage({maxPageSize: 5000, continuationToken});
		for await (const page of pages) return readPage(page);
		throw new PgBackError('BUG', 'the Azure SDK returned no page');
	};
	const collect = createCollector();
	let token: string | undefined;
	do {
		const page = await once(where, signal, async ({abortSignal}) => {
			const read = await onePage(token, abortSignal);
			progress(
				read.blobs.map(blob => blob.key),
				read.token,
			);
			return read;
		});
		for (const blob of page.blobs) {
			signal.throwIfAborted();
			if (!blob.key.startsWith(prefix) || (after !== undefined && compareUtf8(blob.key, after) <= 0)) continue;
			yield blob;
		}
		collect(page.blobs.length);
		token = page.token;
	} while (token !== undefined);
}
