import assert from 'node:assert/strict';
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {after, beforeEach, describe, it} from 'node:test';
import {
	createPartial,
	discardPartial,
	filesBelow,
	lstatIfThere,
	makeParents,
	partialPath,
	partialPattern,
	publish,
	syncDirectory,
} from '../../source/lib/files.js';

const scratch = mkdtempSync(join(tmpdir(), 'files-'));
after(() => rmSync(scratch, {recursive: true, force: true}));
let directory = '';
let counter = 0;
beforeEach(() => {
	directory = join(scratch, String(counter++));
	mkdirSync(directory);
});

async function write(path: string, text: string): Promise<void> {
	const {handle, path: partial} = await createPartial(path, 'abc123', 0o600);
	await handle.writeFile(text);
	await handle.close();
	await publish(partial, path);
}

describe('partial files', () => {
	it('stand hidden beside the final name, with names of their own', async () => {
		const path = partialPath(join(directory, 'x'.repeat(255)), 'abc123');
		assert.match(basename(path), partialPattern);
		assert.notEqual(path, partialPath(join(directory, 'x'.repeat(255)), 'abc123'));
		assert.equal(partialPattern.exec(basename(path))?.[1], 'abc123');
	});

	it('have the mode from the start, whatever the umask', async () => {
		const old = process.umask(0);
		try {
			for (const mode of [0o600, 0o640, 0o400]) {
				const {handle, path} = await createPartial(join(directory, 'f'), 'abc123', mode);
				await handle.close();
				assert.equal(statSync(path).mode & 0o777, mode);
			}
			process.umask(0o077);
			const {handle, path} = await createPartial(join(directory, 'f'), 'abc123', undefined);
			await handle.close();
			assert.equal(statSync(path).mode & 0o777, 0o600);
		} finally {
			process.umask(old);
		}
	});

	it('may be gone already when they are discarded, and may be directories', async () => {
		await discardPartial(join(directory, 'none'));
		mkdirSync(join(directory, 'd/e'), {recursive: true});
		await discardPartial(join(directory, 'd'));
		assert.ok(!existsSync(join(directory, 'd')));
	});
});

describe('publishing', () => {
	it('gives the final name to what is whole', async () => {
		await write(join(directory, 'f'), 'one');
		assert.deepEqual(readdirSync(directory), ['f']);
		assert.equal(readFileSync(join(directory, 'f'), 'utf8'), 'one');
	});

	it('refuses a name that exists, and changes nothing', async () => {
		await write(join(directory, 'f'), 'one');
		await assert.rejects(write(join(directory, 'f'), 'two'), {code: 'EEXIST'});
		assert.equal(readFileSync(join(directory, 'f'), 'utf8'), 'one');
		symlinkSync('/nowhere', join(directory, 'link'));
		await assert.rejects(write(join(directory, 'link'), 'two'), {code: 'EEXIST'});
	});

	it('replaces in one step when told to', async () => {
		await write(join(directory, 'f'), 'one');
		const partial = join(directory, 'p');
		writeFileSync(partial, 'two');
		await publish(partial, join(directory, 'f'), {replace: true});
		assert.equal(readFileSync(join(directory, 'f'), 'utf8'), 'two');
		assert.deepEqual(readdirSync(directory), ['f']);
	});

	it('renames directories, but never over another', async () => {
		for (const name of ['a', 'b']) mkdirSync(join(directory, name));
		writeFileSync(join(directory, 'a/f'), 'x');
		await assert.rejects(publish(join(directory, 'a'), join(directory, 'b')), {code: 'EEXIST', syscall: 'rename'});
		await publish(join(directory, 'a'), join(directory, 'c'));
		assert.deepEqual(readdirSync(join(directory, 'c')), ['f']);
	});

	it('fails when there is nothing to publish or no directory to flush', async () => {
		await assert.rejects(publish(join(directory, 'none'), join(directory, 'f')), {code: 'ENOENT'});
		await assert.rejects(syncDirectory(join(directory, 'none')), {code: 'ENOENT'});
	});
});

describe('looking at files', () => {
	it('tells what is there, links as links', async () => {
		assert.equal(await lstatIfThere(join(directory, 'none')), undefined);
		symlinkSync('/nowhere', join(directory, 'link'));
		assert.ok((await lstatIfThere(join(directory, 'link')))?.isSymbolicLink());
		writeFileSync(join(directory, 'f'), '');
		await assert.rejects(lstatIfThere(join(directory, 'f/x')), {code: 'ENOTDIR'});
	});

	it('makes parents for the owner only', async () => {
		await makeParents(join(directory, 'a/b/c'));
		assert.equal(statSync(join(directory, 'a/b')).mode & 0o777, 0o700);
		chmodSync(join(directory, 'a/b'), 0o755);
		await makeParents(join(directory, 'a/b/c'));
		assert.equal(statSync(join(directory, 'a/b')).mode & 0o777, 0o755);
	});

	it('fails at once where parents cannot be created', {timeout: 10_000}, async () => {
		await assert.rejects(makeParents('/proc/nosuch/a/b'), {code: 'ENOENT'});
		writeFileSync(join(directory, 'file'), '');
		await assert.rejects(makeParents(join(directory, 'file/a/b')), {code: 'ENOTDIR'});
		symlinkSync('/nowhere', join(directory, 'dangling'));
		await assert.rejects(makeParents(join(directory, 'dangling/a/b')));
		await Promise.all(Array.from({length: 20}, () => makeParents(join(directory, 'x/y/z/file'))));
		assert.ok(statSync(join(directory, 'x/y/z')).isDirectory());
	});

	it('lists all regular files below, however the directory is written', async () => {
		mkdirSync(join(directory, 'd/B'), {recursive: true});
		for (const name of ['d/a', 'd/B/c', 'd/Z']) writeFileSync(join(directory, name), '');
		symlinkSync(directory, join(directory, 'd/link'));
		const expected = ['B/c', 'Z', 'a'];
		assert.deepEqual(await filesBelow(join(directory, 'd')), expected);
		assert.deepEqual(await filesBelow(`${directory}//d/`), expected);
		assert.deepEqual(await filesBelow(`${directory}/../${basename(directory)}/d`), expected);
		const here = process.cwd();
		process.chdir(directory);
		try {
			assert.deepEqual(await filesBelow('./d'), expected);
			process.chdir('d');
			assert.deepEqual(await filesBelow('.'), expected);
		} finally {
			process.chdir(here);
		}
	});
});
