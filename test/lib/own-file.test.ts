import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {fileIdentity, readOwnText, readSmallFile} from '../../source/lib/own-file.js';
import {readHistory} from '../../source/progress/history.js';
import {localPlace} from '../../source/repository/place.js';
import {readProofs} from '../../source/repository/proofs.js';
import {runContext} from '../helpers/run-context.js';

const root = mkdtempSync('/tmp/pgb-own-');
after(() => rmSync(root, {recursive: true, force: true}));
const isRoot = process.geteuid?.() === 0;

test('only a regular file of bounded size is read, without waiting for a pipe', async () => {
	const path = join(root, 'file');
	writeFileSync(path, 'text');
	assert.equal((await readSmallFile(path, 4)).bytes.toString(), 'text');
	await assert.rejects(readSmallFile(path, 3), {name: 'UnsafeFileError', message: 'it has 4 bytes, the limit is 3'});
	symlinkSync(path, join(root, 'link'));
	execFileSync('mkfifo', [join(root, 'pipe')]);
	mkdirSync(join(root, 'directory'));
	for (const name of ['link', 'pipe', 'directory'])
		await assert.rejects(readSmallFile(join(root, name), 4), {name: 'UnsafeFileError'}, name);
	await assert.rejects(readSmallFile(join(root, 'absent'), 4), {code: 'ENOENT'});
});

test('a manifest, a proof or a history of another user is not believed', {skip: !isRoot && 'needs root'}, async () => {
	const directory = mkdtempSync(join(root, 'd-'));
	const [manifest, proof] = ['manifest', 'proven'].map(kind =>
		join(directory, `pg_back_2026-01-01T00:00:00Z.${kind}.json`),
	);
	const history = join(directory, '.pg_back-history.json');
	for (const path of [manifest ?? '', proof ?? '', history]) {
		writeFileSync(path, '{}');
		chmodSync(path, 0o644);
		chownSync(path, 4242, 4242);
		await assert.rejects(readOwnText(path, 10), {name: 'UnsafeFileError', message: /uid 4242/});
	}
	const run = await runContext(['-b', directory]);
	const place = localPlace(run);
	assert.deepEqual(await place.manifests(run.signal), []);
	assert.equal((await readProofs(run, place, run.signal)).size, 0);
	await readHistory(directory);
	const told = run.logged().join('\n');
	assert.match(told, /ignoring the manifest .*belongs to another user \(uid 4242\)/);
	assert.match(told, /ignoring the proof .*belongs to another user \(uid 4242\)/);
	chownSync(directory, 4242, 4242);
	assert.equal(await readOwnText(history, 10), '{}', 'the owner of the directory is believed');
});

test('a file of ours is known by its owner, and by its mode where the mount keeps modes', async () => {
	const identity = await fileIdentity(root, 'abcdef');
	assert.deepEqual(identity, {uid: process.geteuid?.(), keepsModes: true});
});
