import assert from 'node:assert/strict';
import {chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, it} from 'node:test';
import {programPath, whyUntrusted} from '../../source/lib/trusted-file.js';

const isRoot = process.geteuid?.() === 0;

describe('trusted files', () => {
	let directory = '';
	let file = '';
	beforeEach(async () => {
		directory = await mkdtemp('/tmp/pg_back-trusted-');
		file = join(directory, 'program');
		await writeFile(file, '#!/bin/sh\n', {mode: 0o755});
	});
	afterEach(() => rm(directory, {recursive: true, force: true}));

	it('are those that only root and we can change, also below a sticky directory', async () => {
		assert.deepEqual(await whyUntrusted(file), {});
		assert.deepEqual(await whyUntrusted(file, {executed: true}), {});
		assert.deepEqual(await whyUntrusted('/bin/sh', {executed: true}), {});
		assert.deepEqual(await whyUntrusted(join(directory, 'absent')), {});
		// Nothing can be below a device, although every user may write to it.
		assert.deepEqual(await whyUntrusted('/dev/null/none', {executed: true}), {});
	});

	it('are not files that every user can write; a group is a weakness', async () => {
		await chmod(file, 0o757);
		assert.match((await whyUntrusted(file)).problem ?? '', /program is writable by every user \(mode 0757\)$/);
		if (!isRoot) return;
		await chmod(file, 0o775);
		await chown(file, 0, 12);
		assert.deepEqual(await whyUntrusted(file), {
			weakness: `${file} is writable by members of the group 12 (mode 0775)`,
		});
	});

	it('are not below a directory that every user can write, unless it is sticky and nothing is executed in it', async () => {
		await chmod(directory, 0o777);
		assert.match((await whyUntrusted(file)).problem ?? '', /is writable by every user \(mode 0777\)$/);
		await chmod(directory, 0o1777);
		assert.deepEqual(await whyUntrusted(file), {});
		assert.match((await whyUntrusted(file, {executed: true})).problem ?? '', /\(mode 1777\)$/);
	});

	it('are judged where a symbolic link leads', async () => {
		const shared = join(directory, 'shared');
		await mkdir(shared);
		await chmod(shared, 0o777);
		await writeFile(join(shared, 'program'), '');
		await symlink('shared/program', join(directory, 'link'));
		await symlink(join(shared, '..', 'shared'), join(directory, 'far'));
		await symlink('loop', join(directory, 'loop'));
		assert.match((await whyUntrusted(join(directory, 'link'))).problem ?? '', /shared is writable/);
		assert.match((await whyUntrusted(join(directory, 'far', 'program'))).problem ?? '', /shared is writable/);
		assert.match((await whyUntrusted(join(directory, 'loop'))).problem ?? '', /too many levels of symbolic links/);
	});

	it(
		'are not those of another user, nor links of another user in a directory that others can write',
		{skip: !isRoot && 'needs root'},
		async () => {
			await symlink(file, join(directory, 'link'));
			const {lchown} = await import('node:fs/promises');
			await lchown(join(directory, 'link'), 4242, 4242);
			assert.deepEqual(await whyUntrusted(join(directory, 'link')), {}, 'nobody but root can change the link');
			await chmod(directory, 0o1777);
			assert.match(
				(await whyUntrusted(join(directory, 'link'))).problem ?? '',
				/link is owned by another user \(uid 4242\)/,
			);
			await chmod(directory, 0o755);
			await chown(file, 4242, 4242);
			assert.match((await whyUntrusted(file)).problem ?? '', /program is owned by another user \(uid 4242\)/);
			await chown(file, 0, 0);
			await chown(directory, 4242, 4242);
			assert.match((await whyUntrusted(file)).problem ?? '', /owned by another user/);
		},
	);

	it('are found in PATH, the first that can be trusted where that is asked for', async () => {
		const shared = join(directory, 'shared');
		await mkdir(shared);
		await chmod(shared, 0o1777);
		await writeFile(join(shared, 'program'), '', {mode: 0o755});
		const env = {PATH: `${shared}:${directory}`};
		assert.equal(await programPath('program', env), join(shared, 'program'));
		assert.equal(await programPath('program', env, {trusted: true}), file);
		assert.equal(await programPath('no-such-program', env), undefined);
		assert.equal(await programPath('./program', env), './program');
	});
});
