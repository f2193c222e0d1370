import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {readFile} from 'node:fs/promises';
import {type AddressInfo, createServer} from 'node:net';
import {join} from 'node:path';
import {after, before, describe, it} from 'node:test';
import ssh2 from 'ssh2';
import {openSftp} from '../../../source/storage/sftp/sftp.js';
import {connectBatchingWrites, keepKeyObjects} from '../../../source/storage/sftp/ssh2-tuning.js';
import {bytesSource} from '../../../source/storage/source.js';
import {waitFor} from '../../helpers/postgres.js';
import {type Sshd, sshdMissing, startSshd} from '../../helpers/sshd.js';
import {never, readAll, testContext} from '../../helpers/storage-tools.js';

describe('a socket that gathers', () => {
	it('sends what is written in one turn at once, in order, and what is written before the end', async () => {
		const server = createServer({allowHalfOpen: true}).listen(0, '127.0.0.1');
		await once(server, 'listening');
		const accepted = once(server, 'connection') as Promise<[AsyncIterable<Buffer> & {end: () => void}]>;
		const {port} = server.address() as AddressInfo;
		const socket = connectBatchingWrites({host: '127.0.0.1', port, noDelay: true});
		await once(socket, 'connect');
		const calls: number[] = [];
		const writev = socket._writev!.bind(socket);
		socket._writev = (chunks, done) => {
			calls.push(chunks.length);
			writev(chunks, done);
		};
		const [peer] = await accepted;
		for (const text of ['one', 'two', 'three']) socket.write(text);
		await new Promise<void>(resolve => socket.write('four', () => resolve()));
		for (const text of ['five', 'six']) socket.write(text);
		socket.end('seven');
		const received: Buffer[] = [];
		for await (const chunk of peer) received.push(chunk);
		peer.end();
		assert.equal(Buffer.concat(received).toString(), 'onetwothreefourfivesixseven');
		assert.deepEqual(calls, [4, 3]);
		await once(socket.resume(), 'close');
		server.close();
	});
});

describe('key objects for ssh2', () => {
	it('leaves alone what it does not know', () => {
		assert.equal(keepKeyObjects(undefined), 0);
		assert.equal(keepKeyObjects({}), 0);
		assert.equal(keepKeyObjects({_cipher: {_encKeyMain: Buffer.alloc(32)}, _decipher: {}}), 0);
	});

	describe('on sshd', {skip: sshdMissing}, () => {
		let sshd: Sshd;
		before(async () => {
			sshd = await startSshd({config: ['RekeyLimit 1M', 'LogLevel DEBUG1']});
		});
		after(() => sshd.stop());

		it('replaces both keys of this version of ssh2', async () => {
			const client = new ssh2.Client();
			let replaced: number | undefined;
			client.on('handshake', () => {
				replaced ??= keepKeyObjects((client as unknown as {_protocol: unknown})._protocol);
			});
			const ready = once(client, 'ready');
			client.connect({
				host: sshd.host,
				port: sshd.port,
				username: sshd.user,
				privateKey: await readFile(sshd.clientKey),
				algorithms: {cipher: ['aes128-gcm@openssh.com']},
			});
			await ready;
			assert.equal(replaced, 2);
			const closed = once(client, 'close');
			client.end();
			await closed;
		});

		it('sends and fetches a file whole while keys are exchanged again and again', async () => {
			const bytes = randomBytes(9_000_001);
			const settings = {host: sshd.host, port: sshd.port, user: sshd.user, identity: sshd.clientKey};
			const storage = await openSftp({...settings, ignoreHostKey: true}, {...testContext(), home: sshd.scratch});
			await storage.put('rekeyed', bytesSource(bytes), {signal: never});
			assert.ok(bytes.equals(await readFile(join(sshd.home, 'rekeyed'))));
			assert.ok(bytes.equals(await readAll(storage.get('rekeyed', {signal: never}))));
			await storage.close();
			const exchanges = () => sshd.log.filter(line => /SSH2_MSG_NEWKEYS received/.test(line)).length;
			await waitFor(() => Promise.resolve(exchanges() > 6), 'exchanges of keys in the log of sshd', 60);
		});
	});
});
