import assert from 'node:assert/strict';
import {test} from 'node:test';
import {once} from '../../source/lib/single-chunk.js';
import {
	algorithmsFor,
	checksumFilesOf,
	ChecksumList,
	ChecksumLists,
	isChecksumFile,
} from '../../source/repository/checksum-files.js';

const digestOf = (text: string, path: string) => new ChecksumList(text).digestOf(path);

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

test('a list is read once for all that it speaks of; one whose reading failed is read again', async () => {
	const digest = (index: number) => index.toString(16).padStart(64, '0');
	const members = Array.from({length: 50}, (_, index) => `a.d/${index}.dat.gz`);
	const text = members.map((member, index) => `${digest(index).toUpperCase()} *${member}\n`).join('');
	let reads = 0;
	const lists = new ChecksumLists(new Set(['a.d.sha256', 'a.d/7.dat.gz.sha256']), path => {
		if (++reads === 1) throw new Error('cancelled');
		return once(Buffer.from(path === 'a.d.sha256' ? text : `${digest(99)}  7.dat.gz\n`));
	});
	const {signal} = new AbortController();
	await assert.rejects(lists.digestsOf('a.d/0.dat.gz', 'sha256', signal), /cancelled/);
	for (const [index, member] of members.entries()) {
		const found = await lists.digestsOf(member, 'sha256', signal);
		assert.equal(found.at(-1)?.digest, digest(index));
		assert.equal(found.length, index === 7 ? 2 : 1);
	}
	assert.deepEqual(await lists.digestsOf('a.d/0.dat.gz', 'sha1', signal), []);
	assert.equal(reads, 3);
});
