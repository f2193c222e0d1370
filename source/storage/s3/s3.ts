import {isPermanentError} from '../errors.js';
import {completeEntries} from '../listed-entry.js';
import {dotSegmentProblem, keyGuard} from '../object-keys.js';
import type {ObjectInfo, OpenContext, Storage} from '../storage.js';
import {openBucket} from './client.js';
import {getObject} from './download.js';
import {headObject, wholeChecksums} from './head.js';
import {abortStale, listObjects, sizeOf} from './listing.js';
import {removeObjects} from './removal.js';
import type {S3Settings} from './settings.js';
import {upload} from './upload.js';

export type {S3Settings} from './settings.js';

/**
 * Opens a bucket of Amazon S3 or of a compatible service. Each request is retried by itself; a failure after that is
 * final. Throws CONFIG when no region can be found; no request is sent yet.
 */
export async function openS3(settings: S3Settings, context: OpenContext): Promise<Storage> {
	const bucket = await openBucket(settings, context);
	const check = keyGuard(bucket.location, dotSegmentProblem);
	const seen = new Set<string>();
	const inspect = async (key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> => {
		check(key, 'inspect');
		const head = await headObject(bucket, key, signal);
		if (!head) return undefined;
		const {LastModified, Metadata = {}} = head;
		return {
			key,
			// A proxy may have removed the size from the response.
			size: head.ContentLength ?? (await sizeOf(bucket, key, signal)),
			modified: LastModified?.getTime(),
			metadata: Metadata,
			checksums: wholeChecksums(bucket, head),
			version: head.VersionId,
		};
	};
	return {
		kind: settings.kind ?? 's3',
		location: bucket.location,
		list: (prefix, options) =>
			completeEntries(listObjects(bucket, prefix, options), {
				...{location: bucket.location, log: context.log, seen},
				sizeOf: async key => (await inspect(key, options.signal))?.size,
			}),
		async put(key, source, options) {
			check(key, 'upload');
			return upload(bucket, key, source, options);
		},
		async *get(key, options) {
			check(key, 'download');
			yield* getObject(bucket, key, options);
		},
		stat: (key, {signal}) => inspect(key, signal),
		remove: (keys, options) => removeObjects(bucket, keys, options),
		cleanup: (prefix, options) => abortStale(bucket, prefix, options),
		isPermanent: isPermanentError,
		watchesIdle: true,
		listsRanges: true,
		close: () => {
			bucket.close();
			return Promise.resolve();
		},
	};
}
