/** Lists a bucket page by page. */
import {createListingProgress} from '../listing-progress.js';
import {compareKeys} from '../object-keys.js';
import type {StorageObject} from '../storage.js';
import type {Bucket} from './client.js';
import {listedFields, readPage, type Resource} from './responses.js';

export async function* list(
	bucket: Bucket,
	prefix: string,
	signal: AbortSignal,
	after: string | undefined,
): AsyncGenerator<StorageObject> {
	const where = {operation: 'list', key: prefix || undefined} as const;
	const progress = createListingProgress();
	let token: string | undefined;
	do {
		const query = new URLSearchParams({prefix, maxResults: '1000', fields: listedFields});
		if (after !== undefined) query.set('startOffset', after);
		if (token !== undefined) query.set('pageToken', token);
		const page = await bucket.once(where, signal, {url: `${bucket.path}/o?${query.toString()}`}, async answer => {
			const read = await readPage(answer);
			progress(
				read.items.map(item => item.name),
				read.nextPageToken,
			);
			return read;
		});
		for (const item of page.items) {
			signal.throwIfAborted();
			if (!item.name.startsWith(prefix) || (after !== undefined && compareKeys(item.name, after) <= 0)) continue;
			yield toObject(item);
		}
		token = page.nextPageToken;
	} while (token);
}

export function toObject({name, size, modified}: Resource): StorageObject {
	return {key: name, size, ...(modified !== undefined && {modified})};
}
