/** Renames that the server does although it says otherwise, or says nothing any more. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, it} from 'node:test';
import {openSftp} from '../../../source/storage/sftp/sftp.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {PutSource, Storage} from '../../../source/storage/storage.js';
import {type FaultyServer, type Lie, startFaultyServer} from '../../helpers/sshd-faults.js';
import {never, testContext} from '../../helpers/storage-tools.js';

const bytes = randomBytes(100_000);
const moved = {size: bytes.length, proof: {by: 'size'}, flushed: false, created: true};

describe('SFTP: renames without a true answer', () => {
	let server: FaultyServer;
	let storage: Storage;
	let home: string;
	let files: Map<string, Buffer>;
	beforeEach(async () => {
		home = await mkdtemp(join(tmpdir(), 'sftp-lost-'));
		server = await startFaultyServer({password: 'secret'});
		files = server.files as Map<string, Buffer>;
		const settings = {host: '127.0.0.1', port: server.port, user: 'me', password: 'secret', ignoreHostKey: true};
		storage = await openSftp(settings, {...testContext(), home});
	});
	afterEach(async () => {
		await storage.close();
		await server.stop();
		await rm(home, {recursive: true});
	});
	/** A dump that is streamed: it cannot be read again. */
	const source: PutSource = {...bytesSource(bytes), canRestart: () => false};
	const put = (key: string) => storage.put(key, source, {signal: never, ifAbsent: true});
	const partials = () => [...files.keys()].filter(name => name.endsWith('.part'));
	const move = (to: string, stored: (sent: Buffer) => Buffer) => {
		for (const name of partials()) {
			files.set(to, stored(files.get(name) ?? Buffer.alloc(0)));
			files.delete(name);
		}
	};
	const end = ({sftp}: Lie) => (sftp as unknown as {_client: {end: () => void}})._client.end();
	/** Takes the request once. */
	const once = (request: string, act: (lie: Lie) => void) => {
		server.lie = lie => {
			if (lie.request !== request) return false;
			server.lie = () => false;
			act(lie);
			return true;
		};
	};

	it('done, and the connection lost before the answer: the file is there', async () => {
		once('RENAME', lie => {
			move(lie.path, sent => sent);
			end(lie);
		});
		assert.deepEqual(await put('lost/it'), moved);
		assert.ok(bytes.equals(files.get('lost/it') ?? Buffer.alloc(0)));
		assert.deepEqual(partials(), []);
	});

	it('done, and the connection lost before the check: the file is there', async () => {
		once('RENAME', lie => {
			move(lie.path, sent => sent);
			lie.sftp.status(lie.id, 0);
			once('STAT', end);
		});
		assert.deepEqual(await put('checked/it'), moved);
	});

	it('done and called a failure', async () => {
		once('RENAME', lie => {
			move(lie.path, sent => sent);
			lie.sftp.status(lie.id, 4);
		});
		assert.deepEqual(await put('failure/it'), moved);
	});

	it('not done, and the connection lost: an error that passes, and nothing under the name', async () => {
		once('RENAME', end);
		await assert.rejects(put('undone/it'), error => !storage.isPermanent(error));
		assert.ok(!files.has('undone/it'));
	});

	it('done with other bytes, and the connection lost: the file is removed, as it is ours', async () => {
		once('RENAME', lie => {
			move(lie.path, sent => sent.subarray(0, 1000));
			end(lie);
		});
		await assert.rejects(put('cut/it'), /only 1000 of 100000 bytes were stored$/);
		assert.ok(!files.has('cut/it'));
	});

	it('a file of another upload that appears while the connection is lost is not ours', async () => {
		const theirs = Buffer.from('theirs');
		once('RENAME', lie => {
			files.set(lie.path, theirs);
			end(lie);
		});
		await assert.rejects(put('theirs/it'), error => !storage.isPermanent(error));
		await assert.rejects(put('theirs/it'), {code: 'EXISTS'});
		assert.equal(files.get('theirs/it'), theirs);
	});
});
