import {mkdtemp, readdir, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, relative} from 'node:path';
import {openLocal} from '../../source/storage/local/local.js';
import {storageSuite} from '../helpers/storage-suite.js';
import {testContext} from '../helpers/storage-tools.js';

storageSuite(
	'local',
	async () => {
		const directory = await mkdtemp(join(tmpdir(), 'pgb-local-'));
		return {
			storage: await openLocal({directory}, testContext()),
			async everything() {
				const entries = await readdir(directory, {recursive: true, withFileTypes: true});
				return entries
					.filter(one => !one.isDirectory())
					.map(one => relative(directory, join(one.parentPath, one.name)));
			},
			close: () => rm(directory, {recursive: true}),
		};
	},
	{
		metadata: false,
		resumes: false,
		skip: {
			'without the right every operation fails, names the place, and is not tried again':
				'tested below as an unprivileged user',
			'an interrupted upload goes on where it was': 'a local copy starts again',
			'a resumed upload of other bytes holds the new bytes only': 'a local copy starts again',
		},
	},
);
