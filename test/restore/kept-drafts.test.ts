/** Drafts of restores between two consoles: private files, of which nothing foreign is believed. */
import assert from 'node:assert/strict';
import {chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import type {KeptDraft} from '../../source/core/restore-handle.js';
import {createDraftsHandle} from '../../source/restore/kept-drafts.js';
import {scratchDirectory} from '../helpers/program.js';

const day = 86_400_000;

function draftOf(key: string, at = Date.now()): KeptDraft {
	return {
		...{key, label: `${key} of 2026-11-22 04:00`, at, values: {name: 'mine'}, databases: [key]},
		...{schemas: ['sales'], objects: [{id: 7, schema: 'public', name: 'orders'}], dependents: true},
	};
}

function openDrafts() {
	const state = scratchDirectory('drafts');
	const directory = join(state, 'pg_back/restore-drafts');
	return {directory, ...createDraftsHandle({XDG_STATE_HOME: state})};
}

test('what was kept is read back, the newest first, until it is forgotten', async () => {
	const {directory, ...drafts} = openDrafts();
	assert.deepEqual(await drafts.keptDrafts(), []);
	await drafts.forgetDraft('never kept');
	const [older, newer] = [draftOf('app', Date.now() - 1000), draftOf('shop')];
	await drafts.keepDrafts([older]);
	await drafts.keepDrafts([newer]);
	await drafts.keepDrafts([older]);
	assert.deepEqual(await drafts.keptDrafts(), [newer, older]);
	await drafts.forgetDraft('shop');
	assert.deepEqual(await drafts.keptDrafts(), [older]);
	assert.equal(readdirSync(directory).length, 1);
});

test('after a week a draft is not offered, and goes with the next that is kept', async () => {
	const {directory, ...drafts} = openDrafts();
	await drafts.keepDrafts([draftOf('app', Date.now() - 8 * day)]);
	assert.deepEqual(await drafts.keptDrafts(), []);
	await drafts.keepDrafts([draftOf('shop')]);
	assert.equal(readdirSync(directory).length, 1);
});

test('files that others could have written, or that are not what we write, are ignored', async () => {
	const {directory, ...drafts} = openDrafts();
	await drafts.keepDrafts([draftOf('app')]);
	const [name = ''] = readdirSync(directory);
	const text = JSON.stringify(draftOf('shop'));
	writeFileSync(join(directory, '0123.json'), text, {mode: 0o600}); // under the name of another key
	symlinkSync('/etc/passwd', join(directory, 'link.json'));
	writeFileSync(join(directory, 'broken.json'), '{', {mode: 0o600});
	mkdirSync(join(directory, 'directory.json'));
	assert.deepEqual(
		(await drafts.keptDrafts()).map(({key}) => key),
		['app'],
	);
	chmodSync(join(directory, name), 0o644);
	assert.deepEqual(await drafts.keptDrafts(), []);
});

test('nothing is kept in, or read from, a directory that others can read', async () => {
	const {directory, ...drafts} = openDrafts();
	await drafts.keepDrafts([draftOf('app')]);
	chmodSync(directory, 0o755);
	assert.deepEqual(await drafts.keptDrafts(), []);
	await assert.rejects(drafts.keepDrafts([draftOf('shop')]), /is not a private directory of this user/);
});
