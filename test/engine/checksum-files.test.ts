import assert from 'node:assert/strict';
import {test} from 'node:test';
import {algorithmsFor, checksumFilesOf, digestOf, isChecksumFile} from '../../source/engine/checksum-files.js';

test('where the digest of a file may stand', () => {
	assert.deepEqual(checksumFilesOf('a.dump', 'sha256'), ['a.dump.sha256']);
	assert.deepEqual(checksumFilesOf('x/a.d/toc.dat', 'sha1'), ['x/a.d/toc.dat.sha1', 'x/a.d.sha1', 'x/a.d.age.sha1']);
	assert.deepEqual(algorithmsFor(new Set(['a.d.sha1', 'a.d/toc.dat.sha512']), 'a.d/toc.dat'), [
		'sha1',
		'sha256',
		'sha512',
	]);
	assert.deepEqual(
		[isChecksumFile('a.dump.sha384'), isChecksumFile('a.dump'), isChecksumFile('a.md5')],
		[true, false, false],
	);
});

test('lines of ours and of 2.x: relative names, absolute paths, members', () => {
	const digest = 'ab'.repeat(20);
	assert.equal(digestOf(`${digest}  a.dump\n`, 'a.dump'), digest);
	assert.equal(digestOf(`${digest} *a.d/toc.dat\n`, 'x/a.d/toc.dat'), digest);
	assert.equal(digestOf(`${digest} */var/backups/a.d/toc.dat\n`, 'a.d/toc.dat'), digest);
	assert.equal(digestOf(`${digest}  b.dump\nnot a line\n`, 'a.dump'), undefined);
	assert.equal(digestOf(`${digest} *b.d/toc.dat\n`, 'a.d/toc.dat'), undefined, 'the same member of another dump');
	assert.equal(digestOf('', 'a.dump'), undefined);
});
