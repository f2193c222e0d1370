import assert from 'node:assert/strict';
import {test} from 'node:test';
import {downloadBase, remoteKey} from '../../source/repository/remote.js';

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

test('downloads go below the fixed part of the backup directory', () => {
	assert.equal(downloadBase('/var/b'), '/var/b');
	assert.equal(downloadBase('/var/{dbname}/dir'), '/var');
	assert.equal(downloadBase('/{dbname}'), '/');
});
