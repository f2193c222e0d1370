import {after, it} from 'node:test';
import {openS3} from '../../../source/storage/s3/s3.js';
import {startFauxqs} from '../../helpers/fauxqs.js';
import {storageSuite} from '../../helpers/storage-suite.js';
import {testContext} from '../../helpers/storage-tools.js';
import {whyMissing} from '../../helpers/tools.js';

const server = await startFauxqs();
const mebi = 1024 * 1024;

if (server) {
	after(() => server.stop());
	storageSuite(
		's3 (fauxqs)',
		async () => ({
			storage: await openS3(
				{
					bucket: 'bucket',
					region: 'us-east-1',
					endpoint: server.url,
					forcePath: true,
					keyId: 'test',
					secret: 'test',
					partSize: 5 * mebi,
				},
				testContext(),
			),
			close: () => Promise.resolve(),
		}),
		{
			metadata: true,
			resumes: true,
			large: 12 * mebi,
			mangles: ['carriage\rreturn'], // it lists keys as raw XML, whatever encoding is asked for
			skip: {
				'without the right every operation fails, names the place, and is not tried again':
					'fauxqs checks no rights; our own server does',
				'an interrupted upload goes on where it was': 'fauxqs has no ListParts; our own server does',
			},
		},
	);
} else it('s3 (fauxqs): the storage contract', {skip: whyMissing('servers')}, () => undefined);
