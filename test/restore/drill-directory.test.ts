/** Directories of drills and restores that begin and end at the same moment. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {openDrillDirectory} from '../../source/restore/drill-directory.js';
import {tryLock} from '../../source/runs/file-lock.js';
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

test('a directory whose lock file is gone when it is to be locked is left to its owner', async () => {
	const parent = scratchDirectory('drill-directory');
	const guard = join(parent, 'pg_back-restore-abcdef', 'lock');
	// Its owner removes the lock file, and then the directory.
	await assert.rejects(tryLock(guard, process.env, {create: false}), {code: 'ENOENT'});
	assert.deepEqual(readdirSync(parent), []);
});

test('restores that begin while others end find no directory that is not empty', async () => {
	const parent = scratchDirectory('drill-directory');
	const run = await runContext(['--restore', 'backup', '--restore-directory', parent]);
	for (let round = 0; round < 30; round++) {
		const ending = await openDrillDirectory(run, 'restore');
		const [directory] = await Promise.all([openDrillDirectory(run, 'restore'), ending.close()]);
		await directory.close();
	}
	assert.deepEqual(run.logged(), []);
	assert.deepEqual(readdirSync(parent), []);
});
