/** A store behind every decorator keeps the contract of storages. */
import {systemClock} from '../../../source/storage/clock.js';
import {wrapStorage} from '../../../source/storage/open.js';
import {createMemoryStorage} from '../../helpers/memory-storage.js';
import {storageSuite} from '../../helpers/storage-suite.js';
import {testContext} from '../../helpers/storage-tools.js';

storageSuite(
	'memory behind every decorator',
	() => {
		const storage = wrapStorage(createMemoryStorage(), testContext({clock: systemClock}), {
			jobs: 3,
			bandwidth: 1e9,
		});
		return Promise.resolve({storage, close: () => Promise.resolve()});
	},
	{
		metadata: true,
		resumes: false,
		skip: {
			'without the right every operation fails, names the place, and is not tried again': 'memory has no rights',
			'an interrupted upload goes on where it was': 'memory does not resume',
			'a resumed upload of other bytes holds the new bytes only': 'memory does not resume',
		},
	},
);
