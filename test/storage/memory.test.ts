import {createMemoryStorage} from '../helpers/memory-storage.js';
import {storageSuite} from '../helpers/storage-suite.js';

storageSuite('memory', async () => ({storage: createMemoryStorage(), close: () => Promise.resolve()}), {
	metadata: true,
	resumes: false,
	manyKeys: 10_000,
	skip: {
		'without the right every operation fails, names the place, and is not tried again': 'memory has no rights',
		'an interrupted upload goes on where it was': 'memory does not resume',
		'a resumed upload of other bytes holds the new bytes only': 'memory does not resume',
	},
});
