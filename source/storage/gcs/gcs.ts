/** A store for a bucket of Google Cloud Storage. */
import {isPermanentError} from '../errors.js';
import {completeEntries} from '../listed-entry.js';
import {keyGuard} from '../object-keys.js';
import type {StoredChecksum} from '../proof.js';
import type {OpenContext, Storage} from '../storage.js';
import {type GcsSettings, objectUrl, openBucket} from './client.js';
import {createDownloads} from './download.js';
import {list} from './listing.js';
import {remove} from './removal.js';
import {readIfThere, type Resource} from './responses.js';
import {upload} from './upload.js';

export type {GcsSettings} from './client.js';

/**
 * Opens a bucket of Google Cloud Storage. Throws PgBackError CONFIG for invalid settings. There is no cleanup:
 * unfinished upload sessions are never visible, and the service removes them after a week.
 */
export async function openGcs(settings: GcsSettings, context: OpenContext): Promise<Storage> {
	const bucket = await openBucket(settings, context);
	const {location} = bucket;
	const check = keyGuard(location, keyProblem);
	const download = createDownloads(bucket);
	const seen = new Set<string>();
	const inspect = async (key: string, signal: AbortSignal): Promise<Resource | undefined> => {
		const call = {url: objectUrl(bucket, key), also: [404]} as const;
		return bucket.once({operation: 'inspect', key}, signal, call, answer => readIfThere(answer, bucket, key));
	};
	return {
		kind: 'gcs',
		location,
		watchesIdle: true,
		listsRanges: true,
		list: (prefix, {signal, after}) =>
			completeEntries(list(bucket, prefix, signal, after), {
				...{location, log: context.log, seen},
				sizeOf: async key => (await inspect(key, signal))?.size,
			}),
		async put(key, source, options) {
			options.signal.throwIfAborted();
			check(key, 'upload');
			return upload({bucket, context}, key, source, options);
		},
		get: download,
		async stat(key, {signal}) {
			const found = await inspect(key, signal);
			if (!found) return undefined;
			const {size, modified, metadata} = found;
			return {key, size, ...(modified !== undefined && {modified}), metadata, checksums: checksumsOf(found)};
		},
		remove: (keys, options) => remove(bucket, keys, options),
		isPermanent: isPermanentError,
		close: () => Promise.resolve(),
	};
}

/** Returns the checksums that the service computed from the stored bytes. */
function checksumsOf({md5Hash, crc32c}: Resource): readonly StoredChecksum[] {
	const hex = (text: string) => Buffer.from(text, 'base64').toString('hex');
	return [
		...(md5Hash === undefined ? [] : [{algorithm: 'md5', from: 'checksum', value: hex(md5Hash)} as const]),
		...(crc32c === undefined ? [] : [{algorithm: 'crc32c', from: 'checksum', value: hex(crc32c)} as const]),
	];
}

/** Returns why the service rejects a key (Object names). */
function keyProblem(key: string): string | undefined {
	if (key === '') return 'the key is empty';
	if (!key.isWellFormed()) return 'the key is not valid Unicode';
	if (Buffer.byteLength(key) > 1024) return 'the key is longer than 1024 bytes';
	if (/[\r\n]/.test(key)) return 'Google Cloud Storage does not allow line breaks in names';
	return key === '.' || key === '..' ? `the key is "${key}"` : undefined;
}
