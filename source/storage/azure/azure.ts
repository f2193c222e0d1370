/** A store for a container of Azure Blob Storage. */
import {isPermanentError} from '../errors.js';
import {completeEntries} from '../listed-entry.js';
import {keyGuard} from '../object-keys.js';
import type {OpenContext, Storage} from '../storage.js';
import {keyProblem} from './blob-names.js';
import {openContainer} from './client.js';
import {createDownloads} from './download.js';
import {inspect} from './inspect.js';
import {list} from './listing.js';
import {remove} from './removal.js';
import type {AzureSettings} from './settings.js';
import {upload} from './upload.js';

export type {AzureSettings} from './settings.js';

/**
 * Opens a container of Azure Blob Storage; the name of a blob is the key. Throws PgBackError CONFIG for invalid
 * settings. There is no cleanup: blocks of unfinished uploads are never visible, and the service removes them after a
 * week.
 */
export async function openAzure(settings: AzureSettings, context: OpenContext): Promise<Storage> {
	const container = await openContainer(settings, context);
	const {location} = container;
	const check = keyGuard(location, keyProblem);
	const download = createDownloads(container);
	const seen = new Set<string>();
	return {
		kind: 'azure',
		location,
		watchesIdle: true,
		list: (prefix, {signal, after}) =>
			completeEntries(list(container, prefix, signal, after), {
				...{location, log: context.log, seen},
				sizeOf: async key => (await inspect(container, key, 'inspect', signal))?.size,
			}),
		async put(key, source, options) {
			options.signal.throwIfAborted();
			check(key, 'upload');
			return upload(container, key, source, options);
		},
		get: (key, options) => {
			check(key, 'download');
			return download(key, options);
		},
		async stat(key, {signal}) {
			check(key, 'inspect');
			const found = await inspect(container, key, 'inspect', signal);
			// Content-MD5 is set by the writer of the blob, so it is not a checksum of the service.
			return found && {key, size: found.size, modified: found.modified, metadata: found.metadata};
		},
		remove: (keys, options) => remove(container, keys, options),
		isPermanent: isPermanentError,
		close: () => Promise.resolve(),
	};
}
