/** Settings that no request can be made of: an error of the configuration, not of the program. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {PgBackError} from '../../source/core/errors.js';
import {openS3, type S3Settings} from '../../source/storage/s3/s3.js';
import {never, testContext} from '../helpers/storage-tools.js';

async function refusal(settings: Partial<S3Settings>): Promise<PgBackError> {
	try {
		const all = {bucket: 'bucket', region: 'us-east-1', keyId: 'k', secret: 's', ...settings};
		const storage = await openS3(all, testContext());
		try {
			for await (const entry of storage.list('', {signal: never})) assert.fail(`listed ${entry.key}`);
		} finally {
			await storage.close();
		}
	} catch (error) {
		assert.ok(error instanceof PgBackError, String(error));
		return error;
	}
	return assert.fail('not refused');
}

test('a bucket, a region, an endpoint or an access point that is none is CONFIG, and names its option', async () => {
	const cases: readonly (readonly [Partial<S3Settings>, RegExp])[] = [
		[{bucket: 'backups/prod'}, /^s3_bucket is not the name of a bucket/],
		[{bucket: 'backups/prod', kind: 'b2'}, /^b2_bucket is not the name of a bucket/],
		[{bucket: 'arn:aws:s3:x'}, /^the settings of the bucket are not valid: /],
		[{bucket: 'arn:aws:s3:us-east-1:123456789012:accesspoint/'}, /^the settings of the bucket are not valid: /],
		[{region: 'eu west'}, /^"eu west" is not the name of a region$/],
		...['ftp://x', '://', 'http://[::1', 'http://user:secret@:99999'].map(
			endpoint => [{endpoint}, /^s3_endpoint is not an http:\/\/ or https:\/\/ URL$/] as const,
		),
	];
	for (const [settings, message] of cases) {
		const error = await refusal(settings);
		assert.equal(error.code, 'CONFIG', JSON.stringify(settings));
		assert.match(error.message, message);
		assert.ok(error.hint);
	}
});
