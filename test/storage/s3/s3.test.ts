import {openS3} from '../../../source/storage/s3/s3.js';
import {bucketAt} from '../../helpers/s3-bucket.js';
import {startS3Server, testCredential} from '../../helpers/s3-server.js';
import {storageSuite} from '../../helpers/storage-suite.js';
import {testContext} from '../../helpers/storage-tools.js';

const mebi = 1024 * 1024;

storageSuite(
	's3 (own server)',
	async () => {
		const stranger = {keyId: 'AKIASTRANGER', secret: 'other'};
		const server = await startS3Server({
			credentials: [testCredential, stranger],
			may: keyId => keyId === testCredential.keyId,
			minPart: mebi,
			pageSize: 500,
		});
		return {
			storage: await openS3(bucketAt(server.url), testContext()),
			forbidden: await openS3(bucketAt(server.url, stranger), testContext()),
			everything: () =>
				Promise.resolve([...server.objects.keys(), ...[...server.uploads.values()].map(one => one.key)]),
			close: () => server.close(),
		};
	},
	{metadata: true, resumes: true, manyKeys: 1200},
);
