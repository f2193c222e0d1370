import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, it} from 'node:test';
import {completePath, expandHome} from '../../source/lib/complete-path.js';
import {freeSpace} from '../../source/lib/free-space.js';

let home = '';
before(() => {
	home = mkdtempSync(join(tmpdir(), 'pg_back-complete-'));
	mkdirSync(join(home, 'keys'));
	for (const name of ['keys/old.txt', 'keys/older.txt', 'keys/.hidden', 'key.txt']) writeFileSync(join(home, name), '');
	symlinkSync('keys', join(home, 'link'));
	symlinkSync('nowhere', join(home, 'lost'));
});
after(() => rmSync(home, {recursive: true, force: true}));

describe('completion of paths', () => {
	it('adds what is certain, and names what it may go on with', async () => {
		assert.deepEqual(await completePath(`${home}/ke`, home), {
			text: `${home}/key`,
			candidates: ['key.txt', 'keys/'],
		});
		assert.deepEqual(await completePath(`${home}/keys/`, home), {
			text: `${home}/keys/old`,
			candidates: ['old.txt', 'older.txt'],
		});
		assert.deepEqual(await completePath(`${home}/key.`, home), {text: `${home}/key.txt`, candidates: []});
		assert.deepEqual(await completePath(`${home}/keys`, home), {text: `${home}/keys/`, candidates: []});
	});
	it('finds hidden names only when the dot was typed, and follows links', async () => {
		assert.deepEqual(await completePath(`${home}/keys/.`, home), {text: `${home}/keys/.hidden`, candidates: []});
		assert.deepEqual(await completePath(`${home}/li`, home), {text: `${home}/link/`, candidates: []});
		assert.deepEqual(await completePath(`${home}/lo`, home), {text: `${home}/lost`, candidates: []});
	});
	it('knows the home directory', async () => {
		assert.deepEqual(await completePath('~/key.', home), {text: `${home}/key.txt`, candidates: []});
		assert.equal(expandHome('~/key.txt', home), join(home, 'key.txt'));
		assert.equal(expandHome('~other/key.txt', home), '~other/key.txt');
		assert.equal(expandHome('~/key.txt', undefined), '~/key.txt');
	});
	it('leaves alone what is not there', async () => {
		assert.deepEqual(await completePath(`${home}/none/x`, home), {text: `${home}/none/x`, candidates: []});
		assert.deepEqual(await completePath(`${home}/x`, home), {text: `${home}/x`, candidates: []});
	});
});

describe('free space', () => {
	it('is that of the file system, also for a directory that does not exist yet', async () => {
		const [here, later] = [await freeSpace(home), await freeSpace(join(home, 'not', 'yet'))];
		assert.ok(here !== undefined && here > 0);
		assert.ok(later !== undefined && later > 0);
	});
});
