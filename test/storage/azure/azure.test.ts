import {after, before} from 'node:test';
import {openAzure} from '../../../source/storage/azure/azure.js';
import {type Azurite, azuriteMissing, startAzurite} from '../../helpers/azurite.js';
import {storageSuite} from '../../helpers/storage-suite.js';
import {testContext} from '../../helpers/storage-tools.js';

if (azuriteMissing !== undefined) console.log(`# skipped: Azure on the official emulator: ${azuriteMissing}`);
else {
	let azurite: Azurite;
	before(async () => {
		azurite = await startAzurite();
	});
	after(() => azurite.stop());
	storageSuite(
		'Azure on the official emulator',
		async () => {
			const container = 'suite';
			await azurite.service.createContainer(container);
			const settings = {container, account: azurite.account, endpoint: azurite.url, blockSize: 1024 * 1024};
			return {
				storage: await openAzure({...settings, key: azurite.key}, testContext()),
				forbidden: await openAzure({...settings, key: Buffer.alloc(64, 'x').toString('base64')}, testContext()),
				close: () => Promise.resolve(),
			};
		},

		{metadata: true, resumes: true, refuses: key => /\\|\.$|[\u0000-\u001F\u007F]/.test(key)},
	);
}
