/** Servers that say what is not so: each must end in an error of the right kind, or in the right result, and never in silence. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, it} from 'node:test';
import {PgBackError} from '../../../source/core/errors.js';
import {openSftp} from '../../../source/storage/sftp/sftp.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {Storage} from '../../../source/storage/storage.js';
import {type FaultyServer, type Lie, startFaultyServer} from '../../helpers/sshd-faults.js';
import {listKeys, never, readAll, testContext} from '../../helpers/storage-tools.js';

const ok = 0;
const bytes = randomBytes(300_000);

describe('SFTP servers that lie', () => {
	let server: FaultyServer;
	let storage: Storage;
	let lines: string[];
	let home: string;
	beforeEach(async () => {
		home = await mkdtemp(join(tmpdir(), 'sftp-lies-'));
		server = await startFaultyServer({password: 'secret'});
		const context = testContext();
		lines = context.lines;
		const settings = {host: '127.0.0.1', port: server.port, user: 'me', password: 'secret', ignoreHostKey: true};
		storage = await openSftp({...settings, connectTimeout: 5000, keepalive: 200}, {...context, home});
	});
	afterEach(async () => {
		await storage.close();
		await server.stop();
		await rm(home, {recursive: true});
	});
	const put = (key: string, more = {}) =>
		storage.put(key, bytesSource(bytes), {signal: never, ifAbsent: true, ...more});
	const on = (request: string, answer: (lie: Lie) => void) => {
		server.lie = lie => {
			if (lie.request !== request) return false;
			answer(lie);
			return true;
		};
	};
	const held = (folder: string) => [...server.files.keys()].filter(name => name.startsWith(folder));
	const storageError = (pattern: RegExp) => (error: unknown) => {
		assert.ok(error instanceof PgBackError, String(error));
		assert.equal(error.exitCode, 14, error.message);
		assert.match(error.message, pattern);
		return true;
	};

	for (const [name, stores] of [
		[
			'the last write is lost',
			(offset: number, data: Buffer) => (offset + data.length === bytes.length ? undefined : data),
		],
		['every write is cut', (_offset: number, data: Buffer) => data.subarray(0, data.length - 1)],
	] as const) {
		it(`${name}: an error, and nothing is left`, async () => {
			server.stores = stores;
			await assert.rejects(put('lost/it'), storageError(/\d+ of 300000 bytes were stored/));
			assert.deepEqual(held('lost/'), []);
		});
	}

	it('a write that is lost in the middle is not called more than its size', async () => {
		server.stores = (offset, data) => (offset === 0 ? undefined : data);
		const result = await put('gap/it');
		assert.deepEqual(result.proof, {by: 'size'});
		assert.equal(result.created, true);
		assert.notDeepEqual(await readAll(storage.get('gap/it', {signal: never})), bytes);
	});

	it('a rename that is confirmed and not done', async () => {
		on('RENAME', ({sftp, id}) => sftp.status(id, ok));
		await assert.rejects(put('unmoved/it'), storageError(/confirmed the upload, but the file does not exist/));
		assert.deepEqual(held('unmoved/'), []);
	});

	it('a file that is cut by its rename does not stay under its name', async () => {
		on('RENAME', ({sftp, id, path}) => {
			const partial = held('cut/')[0] ?? '';
			const files = server.files as Map<string, Buffer>;
			files.set(path, (files.get(partial) ?? Buffer.alloc(0)).subarray(0, 1000));
			files.delete(partial);
			sftp.status(id, ok);
		});
		await assert.rejects(put('cut/it'), storageError(/1000 of 300000 bytes were stored$/));
		assert.deepEqual(held('cut/'), []);
	});

	it('a damaged file that cannot be removed is named', async () => {
		server.lie = ({request, path, sftp, id}) => {
			if (request === 'REMOVE' && path === 'kept/it') sftp.status(id, 3);
			else if (request === 'RENAME') {
				const files = server.files as Map<string, Buffer>;
				const partial = held('kept/')[0] ?? '';
				files.set(path, Buffer.alloc(7));
				files.delete(partial);
				sftp.status(id, ok);
			} else return false;
			return true;
		};
		await assert.rejects(
			put('kept/it'),
			storageError(/kept\/it .*7 of 300000 bytes were stored, and it could not be removed/),
		);
	});

	it('without RENAME files are written under their names, removed on failure, and never over another', async () => {
		server.refuse = request => (request === 'RENAME' ? {code: 8} : undefined);
		await put('direct/one');
		await put('direct/two');
		assert.deepEqual(held('direct/'), ['direct/one', 'direct/two']);
		assert.equal(lines.filter(line => /rejects the rename/.test(line)).length, 1, lines.join('\n'));
		await assert.rejects(put('direct/one'), (error: unknown) => (error as PgBackError).code === 'EXISTS');
		server.refuse = (request, _path, end) =>
			request === 'RENAME'
				? {code: 8}
				: request === 'WRITE' && end > 100_000
					? {code: 4, message: 'quota exceeded'}
					: undefined;
		await assert.rejects(put('direct/three', {onJournal: () => undefined}), storageError(/quota exceeded/));
		assert.deepEqual(held('direct/'), ['direct/one', 'direct/two']);
		assert.deepEqual(await readAll(storage.get('direct/two', {signal: never})), bytes);
	});

	it('without RENAME an upload that was killed is gone on with, and another file of that name is not touched', async () => {
		server.refuse = request => (request === 'RENAME' ? {code: 8} : undefined);
		const files = server.files as Map<string, Buffer>;
		const left = Buffer.concat([bytes.subarray(0, 50_000), Buffer.alloc(10_000), bytes.subarray(60_000, 80_000)]);
		files.set('killed/it', left);
		await put('killed/it', {journal: {partial: 'killed/it', bytes: 40_000}, onJournal: () => undefined});
		assert.ok(bytes.equals(files.get('killed/it') ?? Buffer.alloc(0)));
		const theirs = Buffer.from('something else');
		files.set('other/it', theirs);
		const journal = {partial: 'other/it', bytes: 0};
		await assert.rejects(put('other/it', {journal, onJournal: () => undefined}), {code: 'EXISTS'});
		assert.ok(theirs.equals(files.get('other/it') ?? Buffer.alloc(0)));
	});

	it('a name that the server refuses is named, with the way out', async () => {
		const name = 'app_2026-11-28T17:00:00+00:00.dump';
		server.refuse = (_request, path) => (path.includes(':') ? {code: 4} : undefined);
		await assert.rejects(put(`names/${name}`), error => {
			storageError(/the server rejects the name app_2026-11-28T17:00:00/)(error);
			assert.match((error as PgBackError).hint ?? '', /timestamp_format = legacy/);
			return storage.isPermanent(error);
		});
		assert.deepEqual(held('names/'), []);
		await put('names/app_2026-11-28_17-00-00.dump');
		assert.deepEqual(held('names/'), ['names/app_2026-11-28_17-00-00.dump']);
	});

	it('where no name may begin with a dot, files are written under their own', async () => {
		server.refuse = (request, path) => (request === 'OPEN' && path.includes('/.') ? {code: 3} : undefined);
		await put('dots/it');
		assert.deepEqual(held('dots/'), ['dots/it']);
	});

	it('a close that fails is the failure of the upload', async () => {
		server.refuse = (request, path) =>
			request === 'CLOSE' && path !== '' ? {code: 4, message: 'Disk quota exceeded'} : undefined;
		await assert.rejects(put('close/it'), storageError(/quota exceeded/));
		assert.deepEqual(held('close/'), []);
	});

	it('a listing without attributes is completed by asking for each', async () => {
		await put('bare/a');
		await put('bare/b');
		const answered = new Set<string>();
		server.lie = ({request, path, sftp, id}) => {
			if (request !== 'READDIR') return false;
			const names = path === '.' ? ['bare'] : path === 'bare' ? ['a', 'b', 'gone'] : [];
			if (names.length === 0 || answered.has(path)) sftp.status(id, 1);
			else
				sftp.name(
					id,
					names.map(filename => ({filename, longname: filename, attrs: {} as never})),
				);
			answered.add(path);
			return true;
		};
		assert.deepEqual(await listKeys(storage, ''), ['bare/a', 'bare/b']);
	});

	for (const [name, entries] of [
		['the same names again and again', () => ['a', 'b']],
		['pages without a name', () => []],
	] as const) {
		it(`a listing that does not end (${name}) is an error`, {timeout: 60_000}, async () => {
			on('READDIR', ({sftp, id}) =>
				sftp.name(
					id,
					entries().map(filename => ({
						filename,
						longname: '',
						attrs: {mode: 0o100600, size: 1, mtime: 1, atime: 1, uid: 0, gid: 0},
					})),
				),
			);
			await assert.rejects(listKeys(storage, ''), storageError(/listing does not end/));
		});
	}

	it('names that no file can have, links and pipes are left out and said', async () => {
		const entry = (filename: string, mode: number) => ({
			filename,
			longname: '',
			attrs: {mode, size: 3, mtime: 1, atime: 1, uid: 0, gid: 0},
		});
		let done = false;
		on('READDIR', ({sftp, id}) => {
			if (done) return sftp.status(id, 1);
			done = true;
			const bad = ['../../etc/passwd', '/etc/passwd', 'a\0b', ''].map(name => entry(name, 0o100600));
			sftp.name(id, [
				entry('.', 0o040700),
				entry('..', 0o040700),
				...bad,
				entry('link', 0o120777),
				entry('pipe', 0o010600),
				entry('new\nline', 0o100600),
			]);
		});
		assert.deepEqual(await listKeys(storage, ''), ['new\nline']);
		for (const text of ['etc/passwd', '"link", a symbolic link', '"pipe", not a regular file'])
			assert.ok(
				lines.some(line => line.includes(text)),
				`${text}: ${lines.join('\n')}`,
			);
	});

	it('a size that is too small or too large is the failure of a download', async () => {
		await put('size/it');
		const says = (size: number) =>
			on('FSTAT', ({sftp, id}) => sftp.attrs(id, {mode: 0o100600, size, mtime: 1, atime: 1, uid: 0, gid: 0}));
		says(1000);
		await assert.rejects(readAll(storage.get('size/it', {signal: never})), storageError(/longer than the 1000 bytes/));
		says(400_000);
		await assert.rejects(readAll(storage.get('size/it', {signal: never})), storageError(/ends after 300000 of 400000/));
	});

	it(
		'a file without a size in its handle ends at that of its name, and one without any is not read',
		{
			timeout: 30_000,
		},
		async () => {
			await put('sizeless/it');
			const sizeless = {mode: 0o100600, mtime: 1, atime: 1, uid: 0, gid: 0} as never;
			const endless = (alsoByName: boolean) => {
				server.lie = ({request, sftp, id}) => {
					if (request === 'READ') sftp.data(id, Buffer.alloc(1));
					else if (request === 'FSTAT' || (request === 'STAT' && alsoByName)) sftp.attrs(id, sizeless);
					else return false;
					return true;
				};
			};
			const read = () => readAll(storage.get('sizeless/it', {signal: never}));
			on('FSTAT', ({sftp, id}) => sftp.attrs(id, sizeless));
			assert.deepEqual(await read(), bytes);
			endless(true);
			await assert.rejects(read(), storageError(/does not report its size/));
		},
	);

	it('answers that do not fit the request are an error of the server, at once', async () => {
		await put('unfit/it');
		const handle = Buffer.from('hello');
		const cases: readonly (readonly [string, (lie: Lie) => void, () => Promise<unknown>])[] = [
			['OPEN', ({sftp, id}) => sftp.status(id, ok), () => put('unfit/new')],
			['STAT', ({sftp, id}) => sftp.status(id, ok), () => storage.stat('unfit/it', {signal: never})],
			['STAT', ({sftp, id}) => sftp.handle(id, handle), () => storage.stat('unfit/it', {signal: never})],
			['READDIR', ({sftp, id}) => sftp.status(id, ok), () => listKeys(storage, '')],
			['READDIR', ({sftp, id}) => sftp.handle(id, handle), () => listKeys(storage, '')],
			['OPENDIR', ({sftp, id}) => sftp.attrs(id, {} as never), () => listKeys(storage, '')],
			['FSTAT', ({sftp, id}) => sftp.name(id, []), () => put('unfit/new')],
			['READ', ({sftp, id}) => sftp.status(id, ok), () => readAll(storage.get('unfit/it', {signal: never}))],
			[
				'READ',
				({sftp, id}) => sftp.data(id, Buffer.alloc(200_000)),
				() => readAll(storage.get('unfit/it', {signal: never})),
			],
			['RENAME', ({sftp, id}) => sftp.handle(id, handle), () => put('unfit/new')],
		];
		for (const [request, answer, act] of cases) {
			on(request, answer);
			await assert.rejects(
				act(),
				// ssh2-sftp-client takes any answer to a rename for success: the check of the result finds it.
				storageError(
					/does not match the request|ends after|longer than|connection was lost|but the file does not exist/,
				),
				request,
			);
		}
		server.lie = () => false;
		assert.deepEqual(held('unfit/'), ['unfit/it']);
	});

	for (const request of ['OPEN', 'WRITE', 'FSTAT', 'CLOSE', 'RENAME', 'STAT', 'MKDIR'])
		it(`a connection that is lost at ${request} is an error that passes`, async () => {
			server.lie = ({request: asked, sftp}) => {
				if (asked !== request) return false;
				(sftp as unknown as {_client: {end: () => void}})._client.end();
				return true;
			};
			await assert.rejects(put('dropped/it'), error => {
				storageError(/the connection was (?:lost|closed)/)(error);
				return !storage.isPermanent(error);
			});
			server.lie = () => false;
			await put('dropped/again');
		});

	it('links at the far side are not followed', async () => {
		await put('linked/it');
		server.lie = ({request, path, sftp, id}) => {
			if (request !== 'STAT' || path !== 'linked') return false;
			sftp.attrs(id, {mode: 0o120777, size: 1, mtime: 1, atime: 1, uid: 0, gid: 0});
			return true;
		};
		for (const act of [
			() => put('linked/new'),
			() => readAll(storage.get('linked/it', {signal: never})),
			() => storage.stat('linked/it', {signal: never}),
		])
			await assert.rejects(act(), storageError(/linked is a symbolic link/));
		const [removed] = await storage.remove(['linked/it'], {signal: never});
		assert.match(removed?.error?.message ?? '', /symbolic link/);
		assert.ok(server.files.has('linked/it'));
	});

	it('sweeps the unfinished files of dead runs only, and keeps what a journal needs', async () => {
		const files = server.files as Map<string, Buffer>;
		const names = ['aaaaaa-00000001', 'aaaaaa-00000002', 'bbbbbb-00000001'].map(one => `s/.pg_back-${one}.part`);
		for (const name of [...names, 's/.pg_back-aaaaaa-1.part', 's/aaaaaa.dump']) files.set(name, Buffer.from('x'));
		const keep = [{partial: names[1], bytes: 1}, undefined];
		const options = {signal: never, olderThan: 0, runs: new Set(['aaaaaa']), keep};
		assert.deepEqual(await storage.cleanup?.('', options), [names[0]]);
		assert.deepEqual(held('s/').length, 4);
	});
});
