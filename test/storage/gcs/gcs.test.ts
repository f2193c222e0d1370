import {after, before} from 'node:test';
import {openGcs} from '../../../source/storage/gcs/gcs.js';
import {type GcsServer, startGcsServer} from '../../helpers/gcs-server.js';
import {storageSuite} from '../../helpers/storage-suite.js';
import {testContext} from '../../helpers/storage-tools.js';

let server: GcsServer;
before(async () => {
	server = await startGcsServer('suite');
});
after(() => server.stop());

storageSuite(
	'GCS on an emulator of ours',
	async () => {
		const context = testContext({env: {STORAGE_EMULATOR_HOST: server.url}});
		return {
			storage: await openGcs({bucket: 'suite', chunkSize: 1024 * 1024}, context),
			everything: () =>
				Promise.resolve([...server.objects.keys(), ...[...server.sessions.values()].map(session => session.name)]),
			close: () => Promise.resolve(),
		};
	},
	{
		metadata: true,
		resumes: true,
		refuses: key => /[\r\n]/.test(key),
		skip: {
			'without the right every operation fails, names the place, and is not tried again':
				'the emulator knows no rights: see faults.test.ts',
		},
	},
);
