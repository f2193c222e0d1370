import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, relative} from 'node:path';
import {afterEach, beforeEach, describe, it} from 'node:test';
import {generateX25519Identity, identityToRecipient} from 'age-encryption';
import {drain} from '../../source/lib/release.js';
import {decryptStream} from '../../source/stages/age/decrypt.js';
import {StorageError} from '../../source/storage/errors.js';
import {openLocal} from '../../source/storage/local/local.js';
import {bytesSource} from '../../source/storage/source.js';
import {storageSuite} from '../helpers/storage-suite.js';
import {listKeys, never, readAll, testContext} from '../helpers/storage-tools.js';

storageSuite(
	'local',
	async () => {
		const directory = await mkdtemp(join(tmpdir(), 'pgb-local-'));
		return {
			storage: await openLocal({directory}, testContext()),
			async everything() {
				const entries = await readdir(directory, {recursive: true, withFileTypes: true});
				return entries
					.filter(one => !one.isDirectory())
					.map(one => relative(directory, join(one.parentPath, one.name)));
			},
			close: () => rm(directory, {recursive: true}),
		};
	},
	{
		metadata: false,
		resumes: false,
		skip: {
			'without the right every operation fails, names the place, and is not tried again':
				'tested below as an unprivileged user',
			'an interrupted upload goes on where it was': 'a local copy starts again',
			'a resumed upload of other bytes holds the new bytes only': 'a local copy starts again',
		},
	},
);

describe('local', () => {
	let directory: string;
	beforeEach(async () => {
		directory = await mkdtemp(join(tmpdir(), 'pgb-local-'));
	});
	afterEach(() => rm(directory, {recursive: true}));
	const failed = (fault: string, text: RegExp) => (error: unknown) => {
		assert.ok(error instanceof StorageError, String(error));
		assert.equal(error.fault, fault, error.message);
		assert.equal(error.exitCode, 14);
		return text.test(error.message);
	};

	it('a missing directory is an error, and is not created', async () => {
		for (const path of [join(directory, 'nas'), join(directory, 'file')]) {
			await writeFile(join(directory, 'file'), '');
			await assert.rejects(openLocal({directory: path}, testContext()), {code: 'STORAGE', exitCode: 14});
			assert.equal(existsSync(join(directory, 'nas')), false);
		}
	});

	it('no key leads out of the directory or through a link', async () => {
		const root = join(directory, 'root');
		await mkdir(join(root, 'inside'), {recursive: true});
		await mkdir(join(directory, 'outside'));
		await writeFile(join(directory, 'outside/secret'), 'secret');
		await symlink(join(directory, 'outside'), join(root, 'link'));
		await symlink(join(directory, 'outside/secret'), join(root, 'inside/alias'));
		const storage = await openLocal({directory: root}, testContext());
		const hostile = [
			'../x',
			'a/../../x',
			'/etc/x',
			'a//b',
			'./a',
			'a/.',
			'',
			'a\0b',
			'link/x',
			'link/secret',
			'x'.repeat(256),
			'\uD800',
		];
		for (const key of [...hostile, '.pg_back-abcdef-01234567.part']) {
			await assert.rejects(
				storage.put(key, bytesSource(Buffer.from('x')), {signal: never}),
				failed('invalid', /could not upload/),
				JSON.stringify(key),
			);
			await assert.rejects(
				readAll(storage.get(key, {signal: never})),
				failed('invalid', /could not download/),
				JSON.stringify(key),
			);
			const [result] = await storage.remove([key], {signal: never});
			assert.ok(result?.error, JSON.stringify(key));
		}
		await assert.rejects(readAll(storage.get('inside/alias', {signal: never})), StorageError);
		assert.deepEqual(await readdir(join(directory, 'outside')), ['secret']);
		assert.deepEqual(await listKeys(storage, ''), []);
		await storage.put('inside/alias', bytesSource(Buffer.from('mine')), {signal: never});
		assert.equal(
			await readFile(join(directory, 'outside/secret'), 'utf8'),
			'secret',
			'the link is replaced, not followed',
		);
	});

	it('files and directories are private, whatever the umask', async () => {
		const before = process.umask(0);
		try {
			const storage = await openLocal({directory}, testContext());
			await storage.put('a/b/c', bytesSource(Buffer.from('x')), {signal: never});
			assert.equal((await stat(join(directory, 'a/b/c'))).mode & 0o777, 0o600);
			assert.equal((await stat(join(directory, 'a/b'))).mode & 0o777, 0o700);
		} finally {
			process.umask(before);
		}
	});

	it('a wrong sha256 is found before the file has its name', async () => {
		const storage = await openLocal({directory}, testContext());
		const put = storage.put('x', bytesSource(Buffer.from('x')), {signal: never, sha256: () => '0'.repeat(64)});
		await assert.rejects(put, failed('invalid', /sha256/));
		assert.deepEqual(await readdir(directory), []);
	});

	it('unfinished files of others are not listed, and removed when they are old', async () => {
		const storage = await openLocal({directory}, testContext());
		const partials = ['old/.pg_back-abcdef-00000001.part', 'old/.pg_back-abcdef-00000002.part'];
		await mkdir(join(directory, 'old'));
		for (const path of partials) await writeFile(join(directory, path), 'x');
		await utimes(join(directory, partials[0] ?? ''), 1, 1);
		assert.deepEqual(await listKeys(storage, ''), []);
		assert.deepEqual(await storage.cleanup?.('other/', {signal: never, olderThan: Date.now() - 1000}), []);
		assert.deepEqual(await storage.cleanup?.('old/db', {signal: never, olderThan: Date.now() - 1000}), []);
		assert.deepEqual(await storage.cleanup?.('old/', {signal: never, olderThan: Date.now() - 1000}), [partials[0]]);
		assert.deepEqual(await readdir(join(directory, 'old')), [partials[1]?.slice(4)]);
	});

	it(
		'without the right, every operation is an error that names the key',
		{skip: process.getuid?.() !== 0 && 'needs root to become another user'},
		async () => {
			await chmod(directory, 0o755);
			const storage = await openLocal({directory}, testContext());
			await storage.put('shut/it', bytesSource(Buffer.from('x')), {signal: never});
			await chmod(join(directory, 'shut/it'), 0o600);
			const nobody = 65_534;
			process.seteuid?.(nobody);
			try {
				await assert.rejects(
					storage.put('new', bytesSource(Buffer.from('x')), {signal: never}),
					failed('forbidden', /could not upload new to .*permission denied/),
				);
				await assert.rejects(
					readAll(storage.get('shut/it', {signal: never})),
					failed('forbidden', /could not download shut\/it from .*permission denied/),
				);
				await assert.rejects(listKeys(storage, ''), failed('forbidden', /permission denied/));
				const [result] = await storage.remove(['shut/it'], {signal: never});
				assert.ok(failed('forbidden', /could not remove shut\/it/)(result?.error));
			} finally {
				process.seteuid?.(0);
			}
			assert.deepEqual(await listKeys(storage, ''), ['shut/it']);
		},
	);

	it('pipes and links are left out, said once, and never opened', async () => {
		const context = testContext();
		execFileSync('mkfifo', [join(directory, 'pipe')]);
		await symlink('/etc/hostname', join(directory, 'link'));
		await writeFile(Buffer.from(`${directory}/bad-\xff`, 'latin1'), 'x');
		const storage = await openLocal({directory}, context);
		for (let round = 0; round < 2; round++) assert.deepEqual(await listKeys(storage, ''), []);
		for (const text of ['"link", a symbolic link', '"pipe", not a regular file', 'not valid UTF-8'])
			assert.equal(context.lines.filter(line => line.includes(text)).length, 1, `${text}: ${context.lines.join('\n')}`);
		await assert.rejects(readAll(storage.get('pipe', {signal: never})), failed('invalid', /not a regular file/));
		await assert.rejects(readAll(storage.get('link', {signal: never})), StorageError);
		const put = storage.put('pipe', bytesSource(Buffer.from('x')), {signal: never, ifAbsent: true});
		await assert.rejects(put, {code: 'EXISTS'});
	});

	it('sweeps the unfinished files of dead runs only, whatever their age', async () => {
		const storage = await openLocal({directory}, {...testContext(), run: 'mine00'});
		const names = [
			'.pg_back-aaaaaa-00000001.part',
			'.pg_back-bbbbbb-00000001.part',
			'.pg_back-aaaaaa-1.part',
			'a.part',
		];
		for (const name of names) await writeFile(join(directory, name), 'x');
		const options = {signal: never, olderThan: 0, runs: new Set(['aaaaaa'])};
		assert.deepEqual(await storage.cleanup?.('', options), [names[0]]);
		assert.deepEqual((await readdir(directory)).toSorted(), names.slice(1).toSorted());
	});

	it('unfinished files are named after the run', async () => {
		const storage = await openLocal({directory}, {...testContext(), run: 'mine00'});
		let seen: string[] = [];
		const source = {
			async *read() {
				seen = await readdir(directory);
				yield Buffer.from('x');
			},
		};
		await storage.put('x', source, {signal: never});
		assert.match(seen.join(), /^\.pg_back-mine00-[0-9a-f]{8}\.part$/);
	});

	/** Reads a file, and keeps what arrives. */
	async function* noted(key: string, read: Uint8Array[]): AsyncGenerator<Uint8Array> {
		const storage = await openLocal({directory}, testContext());
		for await (const chunk of storage.get(key, {signal: never})) {
			read.push(chunk);
			yield chunk;
		}
	}

	it('what was read is released when its reader has used it, not at some garbage collection', async () => {
		await writeFile(join(directory, 'large'), Buffer.alloc(4 << 20));
		const read: Uint8Array[] = [];
		await drain(noted('large', read));
		assert.ok(read.length > 1 && read.every(chunk => chunk.byteLength === 0));
	});

	it('ciphertext that was read is released when it is decrypted', async () => {
		const identity = await generateX25519Identity();
		const recipient = await identityToRecipient(identity);
		execFileSync('age', ['-r', recipient, '-o', join(directory, 'large.age')], {input: Buffer.alloc(4 << 20)});
		const read: Uint8Array[] = [];
		let bytes = 0;
		const keys = {identities: [identity], passphrases: []};
		for await (const chunk of decryptStream(noted('large.age', read), keys, never)) bytes += chunk.byteLength;
		assert.equal(bytes, 4 << 20);
		// The last piece does not fill its buffer.
		assert.ok(read.length > 1 && read.slice(0, -1).every(chunk => chunk.byteLength === 0));
	});

	it('a full disk is an error that names the cause, and leaves nothing', async t => {
		const mount = join(directory, 'full');
		await mkdir(mount);
		try {
			execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount], {stdio: 'ignore'});
		} catch {
			t.skip('a small file system cannot be mounted here');
			return;
		}
		try {
			const storage = await openLocal({directory: mount}, testContext());
			await assert.rejects(
				storage.put('big', bytesSource(Buffer.alloc(3 * 1024 * 1024)), {signal: never}),
				failed('full', /no space left/),
			);
			assert.deepEqual(await readdir(mount), []);
		} finally {
			execFileSync('umount', [mount]);
		}
	});
});
