import assert from 'node:assert/strict';
import {test} from 'node:test';
import {prefixProblem} from '../../source/config/prefix-checks.js';
import {downloadBase, listPrefix, remoteKey} from '../../source/repository/remote-keys.js';

test('keys are relative to the backup directory as configured, behind the prefix', () => {
	for (const [template, prefix, path, key] of [
		['/var/b', '', '/var/b/x.dump', 'x.dump'],
		['/var/b', 'pre', '/var/b/x.d/toc.dat', 'pre/x.d/toc.dat'],
		['/var/b', 'pre/fix/', '/var/b/x.dump', 'pre/fix/x.dump'],
		['/var/{dbname}/dir', '', '/var/b1/dir/b1.dump', 'b1/dir/b1.dump'],
		['/var/{dbname}', 'p', '/var/b1/b1.dump', 'p/b1/b1.dump'],
		['rel', '', 'rel/x.dump', 'x.dump'],
	] as const) {
		assert.equal(remoteKey(template, prefix, path), key, `${template} ${prefix} ${path}`);
	}
});

test('a prefix is the same place at every store, or refused', () => {
	for (const good of ['', 'a', 'a/', 'a/b', '..a', 'a..', '...', '.a/b.', '{server}/x', 'a b/ü'])
		assert.equal(prefixProblem(good), undefined, good);
	for (const [written, meant] of [
		...([
			['./a', 'a/'],
			['a/.', 'a/'],
			['a/./b', 'a/b/'],
			['a//b', 'a/b/'],
			['a//', 'a/'],
			['.', ''],
		] as const),
	]) {
		assert.equal(prefixProblem(written), undefined, written);
		assert.equal(listPrefix(written), meant);
		assert.equal(remoteKey('/b', written, '/b/f'), `${meant}f`);
	}
	for (const bad of ['/', '/a', '..', '../a', 'a/..', 'a/../b', '//', 'a\0b'])
		assert.ok(prefixProblem(bad) !== undefined, bad);
});

test('downloads go below the fixed part of the backup directory', () => {
	assert.equal(downloadBase('/var/b'), '/var/b');
	assert.equal(downloadBase('/var/{dbname}/dir'), '/var');
	assert.equal(downloadBase('/{dbname}'), '/');
});
