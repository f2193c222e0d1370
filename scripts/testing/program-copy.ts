/** One copy of the built program for all tests of a run, with a compile cache of its own. */
import {chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {withLock} from '../setup/lock.mjs';

const root = join(import.meta.dirname, '../..');

/** The names of the variables that tell test files about the copy; see `programPath` in test/helpers/program.ts. */
export const programVariable = 'PG_BACK_TEST_PROGRAM';
export const cacheVariable = 'PG_BACK_TEST_COMPILE_CACHE';

/**
 * Copies dist/ to a new directory that other users can read, and tells test files that start from now on about it. A
 * build during the tests does not change the copy, and every file after the first finds the code already compiled. The
 * directory is removed when this process exits.
 */
export async function copyProgram(): Promise<void> {
	const directory = mkdtempSync(join(tmpdir(), 'pgb-program-'));
	process.once('exit', () => rmSync(directory, {recursive: true, force: true}));
	chmodSync(directory, 0o755);
	mkdirSync(join(directory, 'dist'));
	await withLock('build', async () => cpSync(join(root, 'dist'), join(directory, 'dist'), {recursive: true}));
	copyFileSync(join(root, 'package.json'), join(directory, 'package.json'));
	process.env[programVariable] = join(directory, 'dist/pg_back.cjs');
	process.env[cacheVariable] = join(directory, 'cache');
}
