/** Ways to an SFTP server: over other hosts, and with more than one proof of who we are. */
import assert from 'node:assert/strict';
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {after, before, describe, it} from 'node:test';
import {PgBackError} from '../../../source/core/errors.js';
import {fingerprint} from '../../../source/storage/sftp/known-hosts.js';
import {openSftp} from '../../../source/storage/sftp/sftp.js';
import {bytesSource} from '../../../source/storage/source.js';
import {makeKey, type Sshd, sshdMissing, startSshd} from '../../helpers/sshd.js';
import {startFaultyServer} from '../../helpers/sshd-faults.js';
import {never, readAll, testContext} from '../../helpers/storage-tools.js';
import {homeWith} from './home.js';

describe('SFTP over jump hosts', {skip: sshdMissing}, () => {
	let target: Sshd;
	let jump: Sshd;
	before(async () => {
		[target, jump] = await Promise.all([startSshd(), startSshd()]);
	});
	after(async () => {
		await target.stop();
		await jump.stop();
	});
	const open = async (config: string, knownHosts: readonly string[]) => {
		const known = join(target.scratch, 'known-both');
		await writeFile(known, (await Promise.all(knownHosts.map(file => readFile(file, 'utf8')))).join(''));
		const home = await homeWith(target.scratch, known, config);
		return openSftp({host: 'vault', identity: target.clientKey, connectTimeout: 5000}, {...testContext(), home});
	};
	const hosts = () =>
		[
			`Host vault\n  HostName 127.0.0.1\n  Port ${target.port}\n  User ${target.user}\n`,
			`Host hop hop2\n  HostName 127.0.0.1\n  Port ${jump.port}\n  User ${jump.user}\n  IdentityFile ${jump.clientKey}\n`,
		].join('');

	for (const list of ['hop', 'hop,hop2'])
		it(`sends and fetches through ${list}`, async () => {
			const storage = await open(`Host vault\n  ProxyJump ${list}\n${hosts()}`, [target.knownHosts, jump.knownHosts]);
			const bytes = Buffer.alloc(1_000_000, 'x');
			await storage.put(`through/${list}`, bytesSource(bytes), {signal: never});
			assert.ok(bytes.equals(await readAll(storage.get(`through/${list}`, {signal: never}))));
			await storage.close();
		});

	it('checks the key of the jump host, and names the host that fails', async () => {
		const config = `Host vault\n  ProxyJump hop\n${hosts()}`;
		const unknown = await open(config, [target.knownHosts]);
		await assert.rejects(unknown.stat('x', {signal: never}), /host key of .*127\.0\.0\.1.*is unknown/);
		await unknown.close();
		const stranger = join(target.scratch, 'stranger');
		await makeKey(stranger, 'ed25519');
		const refused = await open(config.replace(jump.clientKey, stranger), [target.knownHosts, jump.knownHosts]);
		await assert.rejects(
			refused.stat('x', {signal: never}),
			/could not connect to the jump host 127\.0\.0\.1:\d+: the server accepts none/,
		);
		await refused.close();
		const nowhere = await open(config.replace(`Port ${target.port}`, 'Port 1'), [target.knownHosts, jump.knownHosts]);
		await assert.rejects(nowhere.stat('x', {signal: never}), /the jump host cannot reach 127\.0\.0\.1:1/);
		await nowhere.close();
	});

	it('a jump host that disconnects is a lost connection', async () => {
		const storage = await open(`Host vault\n  ProxyJump hop\n${hosts()}`, [target.knownHosts, jump.knownHosts]);
		await storage.stat('x', {signal: never});
		await jump.killSessions();
		await assert.rejects(
			async () => {
				for (;;) await storage.stat('x', {signal: AbortSignal.timeout(20_000)});
			},
			error => error instanceof PgBackError && !storage.isPermanent(error),
		);
		assert.equal(await storage.stat('x', {signal: never}), undefined, 'connected again');
		await storage.close();
	});
});

describe('SFTP servers that want a key and a password', {skip: sshdMissing}, () => {
	let sshd: Sshd;
	before(async () => {
		sshd = await startSshd();
	});
	after(() => sshd.stop());

	for (const type of ['ed25519', 'rsa'] as const)
		it(`gives both, with a key of type ${type}, and says what is missing`, async () => {
			const server = await startFaultyServer({password: 'secret', requires: ['publickey', 'password']});
			const identity = join(sshd.scratch, `both-${type}`);
			await makeKey(identity, type);
			const open = (password: string | undefined) =>
				openSftp(
					{
						host: '127.0.0.1',
						port: server.port,
						user: 'me',
						identity,
						...(password !== undefined && {password}),
						hostKeyFingerprint: fingerprint(server.hostKey),
						configFile: 'none',
					},
					{...testContext(), home: sshd.scratch},
				);
			const storage = await open('secret');
			assert.equal(await storage.stat('x', {signal: never}), undefined);
			await storage.close();
			for (const password of [undefined, 'wrong']) {
				const without = await open(password);
				await assert.rejects(without.stat('x', {signal: never}), error => {
					assert.match((error as Error).message, /the server accepted publickey and also requires password/);
					assert.match((error as PgBackError).hint ?? '', /PGBK_SSH_PASS/);
					return without.isPermanent(error);
				});
				await without.close();
			}
			await server.stop();
		});

	it('does not show the passphrase of a key to a server that refuses the key', async () => {
		const server = await startFaultyServer({password: 'secret'});
		const identity = join(sshd.scratch, 'locked');
		await makeKey(identity, 'ed25519', 'secret');
		const storage = await openSftp(
			{
				host: '127.0.0.1',
				port: server.port,
				user: 'me',
				identity,
				password: 'secret',
				ignoreHostKey: true,
				configFile: 'none',
			},
			{...testContext(), home: sshd.scratch},
		);
		await assert.rejects(storage.stat('x', {signal: never}), /none of the available ways to log in/);
		assert.ok(!server.tried.includes('password'), server.tried.join());
		await storage.close();
		await server.stop();
	});
});
