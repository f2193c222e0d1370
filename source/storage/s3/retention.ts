/** Object Lock: why a service keeps an object that it was asked to remove. */
import {HeadObjectCommand} from '@aws-sdk/client-s3';
import {StorageError} from '../errors.js';
import type {Bucket} from './client.js';

/**
 * Reads why the removal of an object was rejected. Returns `locked until …` or `locked by a legal hold`; undefined when
 * it is not locked, or the service does not report it.
 */
export async function lockOf(
	bucket: Bucket,
	{key, version}: {readonly key: string; readonly version: string | undefined},
	refusal: StorageError,
	signal: AbortSignal,
): Promise<string | undefined> {
	if (!['forbidden', 'invalid', 'unsupported', 'exists'].includes(refusal.fault)) return undefined;
	const mentionsLock = /\b(WORM|object[- ]?lock(ed)?|retention|legal hold|locked|retained)\b/i.test(refusal.message);
	try {
		const head = await bucket.request({operation: 'inspect', key}, signal, (client, options) =>
			client.send(new HeadObjectCommand({Bucket: bucket.name, Key: key, VersionId: version}), options),
		);
		if (head.ObjectLockLegalHoldStatus === 'ON') return 'locked by a legal hold';
		const until = head.ObjectLockRetainUntilDate;
		if (until !== undefined && until.getTime() > Date.now()) return `locked until ${until.toISOString()}`;
	} catch (error) {
		signal.throwIfAborted();
		if (!(error instanceof StorageError) || error.exhausted) throw error;
	}
	return mentionsLock ? 'locked by the service (until an unknown time)' : undefined;
}
