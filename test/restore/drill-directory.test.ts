/** Directories of drills and restores that begin and end at the same moment. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync} from 'node:fs';
import {test} from 'node:test';
import {openDrillDirectory} from '../../source/restore/drill-directory.js';
import {scratchDirectory} from '../helpers/program.js';
import {runContext} from '../helpers/run-context.js';

test('restores that begin at once do not sweep the directories of each other', async () => {
	const parent = scratchDirectory('drill-directory');
	const run = await runContext(['--restore', 'backup', '--restore-directory', parent]);
	await Promise.all(
		Array.from({length: 8}, async () => {
			for (let round = 0; round < 4; round++) {
				const directory = await openDrillDirectory(run, 'restore');
				assert.ok(existsSync(directory.work));
				await directory.close();
			}
		}),
	);
	assert.deepEqual(run.logged(), []);
	assert.deepEqual(readdirSync(parent), []);
});
