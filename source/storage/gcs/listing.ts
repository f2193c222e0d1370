/** Lists a bucket page by page. */
import {compareUtf8} from '../../lib/compare-utf8.js';
import {createCollector} from '../../lib/memory.js';
import type {RawEntry} from '../listed-entry.js';
import {createListingProgress} from '../listing-progress.js';
import type {Bucket} from './client.js';
import {listedFields, readPage} from './responses.js';

export async function* list(
	bucket: Bucket,
	prefix: string,
	signal: AbortSignal,
	after: string | undefined,
): AsyncGenerator<RawEntry> {
	const where = {operation: 'list', key: prefix || undefined} as const;
	const progress = createListingProgress();
	const collect = createCollector();
	let token: string | undefined;
	do {
		const query = new URLSearchParams({prefix, maxResults: '1000', fields: listedFields});
		if (after !== undefined) query.set('startOffset', after);
		if (token !== undefined) query.set('pageToken', token);
		const page = await bucket.once(where, signal, {url: `${bucket.path}/o?${query.toString()}`}, async answer => {
			const read = await readPage(answer);
			progress(
				read.items.map(item => item.key),
				read.nextPageToken,
			);
			return read;
		});
		for (const item of page.items) {
			signal.throwIfAborted();
			if (!item.key.startsWith(prefix) || (after !== undefined && compareUtf8(item.key, after) <= 0)) continue;
			yield item;
		}
		collect(page.items.length);
		token = page.nextPageToken;
	} while (token);
}
