import assert from 'node:assert/strict';
import {
	chmodSync,
	copyFileSync,
	existsSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {openVersionCache, programKey} from '../../source/postgres/version-cache.js';

const base = mkdtempSync(join(tmpdir(), 'pgb-versions-'));
after(() => rmSync(base, {recursive: true}));
const scratch = () => mkdtempSync(join(base, 'x-'));
const keyOf = (path: string) => programKey(path, statSync(path, {bigint: true}));

/** A binary, and the cache that knows it. */
async function remembered(): Promise<{program: string; file: string}> {
	const directory = scratch();
	const program = join(directory, 'pg_dump');
	copyFileSync(process.execPath, program);
	const file = join(directory, 'cache/pg_back/versions.json');
	await (await openVersionCache(file)).add(keyOf(program), program, 150_018);
	return {program, file};
}

test('the version of a binary is known to the next run, until the file changes', async () => {
	const {program, file} = await remembered();
	assert.equal((await openVersionCache(file)).get(keyOf(program)), 150_018);
	assert.equal(statSync(file).mode & 0o777, 0o600);
	copyFileSync('/bin/true', program);
	const changed = keyOf(program);
	const cache = await openVersionCache(file);
	assert.equal(cache.get(changed), undefined);
	await cache.add(changed, program, 160_001);
	assert.equal((await openVersionCache(file)).get(changed), 160_001);
	const entries = JSON.parse(readFileSync(file, 'utf8')) as readonly unknown[];
	assert.equal(entries.length, 1, 'one entry for each path');
});

test('a script is asked each time: it may start another program tomorrow', async () => {
	const directory = scratch();
	const script = join(directory, 'pg_dump');
	writeFileSync(script, '#!/bin/sh\necho pg_dump 15.18\n', {mode: 0o755});
	const file = join(directory, 'versions.json');
	await (await openVersionCache(file)).add(keyOf(script), script, 150_018);
	assert.equal(existsSync(file), false);
});

test('a cache that is not ours, or not what we wrote, is none', async () => {
	const {program, file} = await remembered();
	const good = readFileSync(file);
	const known = async () => (await openVersionCache(file)).get(keyOf(program));
	for (const text of ['', '{', '{}', '[["x"]]', '[[1,2]]', `[[${JSON.stringify(keyOf(program))},"150018"]]`, 'null']) {
		writeFileSync(file, text);
		assert.equal(await known(), undefined, text);
	}
	writeFileSync(file, good);
	chmodSync(file, 0o622);
	assert.equal(await known(), undefined, 'others may write to it');
	chmodSync(file, 0o600);
	assert.equal(await known(), 150_018);
	const elsewhere = `${file}.real`;
	copyFileSync(file, elsewhere);
	rmSync(file);
	symlinkSync(elsewhere, file);
	assert.equal(await known(), undefined, 'a symbolic link');
	rmSync(file);
	writeFileSync(file, good.toString().padEnd(100_000));
	assert.equal(await known(), undefined, 'too long');
});

test('a cache that cannot be written fails nothing', async () => {
	const {program} = await remembered();
	const cache = await openVersionCache(join(program, 'not-a-directory/versions.json'));
	await cache.add(keyOf(program), program, 150_018);
	assert.equal(cache.get(keyOf(program)), 150_018);
	assert.equal((await openVersionCache(undefined)).get('x'), undefined);
});
