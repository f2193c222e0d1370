import {openS3} from '../../source/storage/s3/s3.js';
import {startS3Server, testCredential} from '../helpers/s3-server.js';
import {storageSuite} from '../helpers/storage-suite.js';
import {testContext} from '../helpers/storage-tools.js';

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
		const settings = {bucket: 'bucket', region: 'us-east-1', endpoint: server.url, forcePath: true, partSize: mebi};
		return {
			storage: await openS3({...settings, ...testCredential}, testContext()),
			forbidden: await openS3({...settings, ...stranger}, testContext()),
			everything: () =>
				Promise.resolve([...server.objects.keys(), ...[...server.uploads.values()].map(one => one.key)]),
			close: () => server.close(),
		};
	},
	{metadata: true, resumes: true, manyKeys: 1200},
);
