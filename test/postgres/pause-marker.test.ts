import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, beforeEach, test} from 'node:test';
import {createPauseMarker} from '../../source/postgres/pause-marker.js';

const scratch = mkdtempSync(join(tmpdir(), 'pg_back-marker-'));
after(() => rmSync(scratch, {recursive: true, force: true}));
let prefix = '';
let path = '';
const marker = () => createPauseMarker(prefix, {host: '/run', port: '5432'});

beforeEach(async () => {
	const directory = mkdtempSync(join(scratch, 'x'));
	prefix = join(directory, 'pause');
	await marker().write();
	path = join(directory, readdirSync(directory)[0] ?? '');
});

test('a marker is left over when its process is gone, or when it was cut', async () => {
	assert.equal(await marker().isLeftOver(), false, 'we are alive');
	writeFileSync(path, readFileSync(path, 'utf8').replace(/"started":"\d+"/, '"started":"1"'));
	assert.equal(await marker().isLeftOver(), true);
	writeFileSync(path, '{"pi');
	assert.equal(await marker().isLeftOver(), true);
	await marker().remove();
	assert.equal(await marker().isLeftOver(), false);
});

test('what cannot be a marker is none, and is neither waited for nor read whole', {timeout: 60_000}, async () => {
	rmSync(path);
	execFileSync('mkfifo', [path]);
	assert.equal(await marker().isLeftOver(), false);
	await marker().write();
	assert.ok(lstatSync(path).isFile(), 'the pipe was replaced');
	writeFileSync(path, Buffer.alloc(1 << 20));
	assert.equal(await marker().isLeftOver(), false);
});

test('a link under its name is replaced, and not written through', async () => {
	const victim = join(scratch, 'victim');
	writeFileSync(victim, 'precious');
	rmSync(path);
	symlinkSync(victim, path);
	assert.equal(await marker().isLeftOver(), false);
	await marker().write();
	assert.equal(readFileSync(victim, 'utf8'), 'precious');
	assert.ok(lstatSync(path).isFile());
});
