import assert from 'node:assert/strict';
import {execFile, spawn} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, it} from 'node:test';
import {promisify} from 'node:util';
import {PgBackError} from '../../../source/core/errors.js';
import {wrapStorage} from '../../../source/storage/open.js';
import {fingerprint} from '../../../source/storage/sftp/known-hosts.js';
import {openSftp, type OpenSftpSettings} from '../../../source/storage/sftp/sftp.js';
import {bytesSource} from '../../../source/storage/source.js';
import type {Storage} from '../../../source/storage/storage.js';
import {startFaultProxy} from '../../helpers/fault-proxy.js';
import {makeKey, type Sshd, sshdMissing, startSshd} from '../../helpers/sshd.js';
import {type FaultyServer, startFaultyServer} from '../../helpers/sshd-faults.js';
import {chunked, collect, listKeys, never, readAll, testContext} from '../../helpers/storage-tools.js';
import {homeWith} from './home.js';

const bytes = randomBytes(3 * 1024 * 1024);
/** A healthy server answers in this time also on a machine under load. */
const patient = {connectTimeout: 20_000, keepalive: 5000};

function isFailure(pattern: RegExp, code: string = 'STORAGE') {
	return (error: unknown): boolean => {
		assert.ok(error instanceof PgBackError, String(error));
		assert.equal(error.code, code, error.message);
		assert.match(error.message, pattern);
		assert.doesNotMatch(error.message, /\n/);
		assert.ok(error.hint, 'a hint');
		return true;
	};
}

describe('SFTP on sshd: what goes wrong', {skip: sshdMissing}, () => {
	let sshd: Sshd;
	let home: string;
	before(async () => {
		sshd = await startSshd({offer: ['ed25519', 'rsa']});
		home = await homeWith(sshd.scratch, sshd.knownHosts);
	});
	after(() => sshd.stop());

	const open = (
		more: Partial<OpenSftpSettings> = {},
		context: {home?: string; env?: Record<string, string>} = {},
	): Promise<Storage> =>
		openSftp(
			{host: sshd.host, port: sshd.port, user: sshd.user, identity: sshd.clientKey, ...patient, ...more},
			{...testContext(), home, ...context},
		);
	const left = async () => (await readdir(sshd.home, {recursive: true})).filter(name => name.endsWith('.part'));

	it('goes on after the connection was lost, from the bytes that are there', async () => {
		const proxy = await startFaultProxy({port: sshd.port});
		proxy.faults.push({direction: 'up', after: 1_500_000, do: 'reset'});
		const context = testContext();
		const storage = wrapStorage(
			await open({port: proxy.port, hostKeyFingerprint: fingerprintOf(sshd.hostKeys.ed25519)}),
			context,
		);
		const journals: unknown[] = [];
		await storage.put('lost/it', bytesSource(bytes), {signal: never, onJournal: journal => journals.push(journal)});
		assert.equal(proxy.connections(), 2);
		assert.ok(
			context.lines.some(line => /the connection was (lost|reset|closed)/.test(line)),
			context.lines.join('\n'),
		);
		assert.ok(bytes.equals(await readAll(storage.get('lost/it', {signal: never}))));
		assert.deepEqual(await left(), []);
		await storage.close();
		await proxy.close();
	});

	it('without a retry a lost connection is an error, and nothing is visible', async () => {
		const proxy = await startFaultProxy({port: sshd.port});
		proxy.faults.push({direction: 'up', after: 1_500_000, do: 'cut'});
		const storage = await open({port: proxy.port, ignoreHostKey: true});
		const failed = isFailure(/could not upload cut\/it to sftp:\/\/127\.0\.0\.1:\d+\/: the connection was/);
		await assert.rejects(storage.put('cut/it', bytesSource(bytes), {signal: never}), failed);
		assert.equal(await storage.stat('cut/it', {signal: never}), undefined);
		assert.equal((await left()).length, 1, 'the server was not there to remove it');
		assert.deepEqual(await storage.cleanup!('cut/', {signal: never, olderThan: Date.now() - 3_600_000}), []);
		assert.equal((await storage.cleanup!('cut/', {signal: never, olderThan: Date.now() + 3_600_000})).length, 1);
		assert.deepEqual(await left(), []);
		await storage.close();
		await proxy.close();
	});

	it('notices a server that is silent: before the session, and in the middle', async () => {
		const proxy = await startFaultProxy({port: sshd.port});
		proxy.faults.push({direction: 'down', after: 0, do: 'stall'}, {direction: 'down', after: 6000, do: 'stall'});
		const storage = await open({port: proxy.port, ignoreHostKey: true, connectTimeout: 500, keepalive: 100});
		await assert.rejects(storage.stat('x', {signal: never}), isFailure(/does not respond/));
		await assert.rejects(
			// Long enough that its answers, and the greeting before them, are more than what the proxy lets through.
			storage.put('silent/it', bytesSource(Buffer.concat([bytes, bytes, bytes, bytes])), {signal: never}),
			isFailure(/the connection was lost|does not respond|Keepalive/i),
		);
		await storage.close();
		await proxy.close();
	});

	it('opens a new session after the old one was killed', async () => {
		const storage = await open();
		await storage.put('again/it', bytesSource(Buffer.from('x')), {signal: never});
		await sshd.killSessions();
		const wrapped = wrapStorage(storage, testContext());
		assert.equal((await wrapped.stat('again/it', {signal: never}))?.size, 1);
		await storage.close();
	});

	it('refuses a changed host key, with both fingerprints', async () => {
		const other = await makeKey(join(sshd.scratch, 'changed'), 'ed25519');
		const known = join(sshd.scratch, 'known_changed');
		await writeFile(known, `[127.0.0.1]:${sshd.port} ${other}\n`);
		const storage = await open({}, {home: await homeWith(sshd.scratch, known)});
		await assert.rejects(storage.put('x', bytesSource(bytes), {signal: never}), error => {
			isFailure(/has changed/)(error);
			const {message} = error as Error;
			return message.includes(fingerprintOf(sshd.hostKeys.ed25519)) && message.includes(fingerprintOf(other));
		});
		assert.ok(!(await readdir(sshd.home)).includes('x'));
	});

	it('refuses an unknown host key, and accepts it with its fingerprint or, loudly, without a check', async () => {
		const empty = await homeWith(sshd.scratch, undefined);
		const context = {...testContext(), home: empty};
		const settings = {host: sshd.host, port: sshd.port, user: sshd.user, identity: sshd.clientKey, ...patient};
		const use = async (more: Partial<OpenSftpSettings>) => {
			const storage = await openSftp({...settings, ...more}, context);
			await storage.stat('x', {signal: never});
			await storage.close();
		};
		await assert.rejects(use({}), isFailure(/is unknown: it offers ssh-ed25519 SHA256:/));
		await use({hostKeyFingerprint: fingerprintOf(sshd.hostKeys.ed25519)});
		await use({hostKeyFingerprint: fingerprintOf(sshd.hostKeys.rsa)});
		await assert.rejects(
			use({hostKeyFingerprint: fingerprintOf(sshd.hostKeys.ecdsa)}),
			isFailure(/fingerprint|not SHA256/),
		);
		await assert.rejects(use({hostKeyFingerprint: 'MD5:aa:bb'}), isFailure(/not a SHA256 fingerprint/));
		await assert.rejects(
			use({hostKeyFingerprint: fingerprintOf(sshd.hostKeys.rsa), ignoreHostKey: true}),
			isFailure(/contradict/, 'CONFIG'),
		);
		assert.deepEqual(
			context.lines.filter(line => line.startsWith('warn')),
			[],
		);
		await use({ignoreHostKey: true});
		assert.match(context.lines.join('\n'), /warn: .*NOT verified/);
	});

	it('understands ~/.ssh/config', async () => {
		const config = `Include extra/*\nHost vault\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  IdentityFile ${sshd.clientKey}\nHost *\n  User nobody-else\n`;
		const place = await homeWith(sshd.scratch, undefined, config);
		await promisify(execFile)('mkdir', [join(place, '.ssh', 'extra')]);
		await writeFile(
			join(place, '.ssh', 'extra', 'one'),
			`Host vault\n  User ${sshd.user}\n  UserKnownHostsFile "~/.ssh/known two" ${sshd.knownHosts}\n`,
		);
		const storage = await openSftp({host: 'vault', ...patient}, {...testContext(), home: place});
		assert.equal(storage.location, `sftp://127.0.0.1:${sshd.port}/`);
		assert.equal(await storage.stat('nothing', {signal: never}), undefined);
		await storage.close();
	});

	it('uses an agent, and ignores one that does not exist', async () => {
		const socket = join(sshd.scratch, 'agent');
		const agent = spawn('ssh-agent', ['-D', '-a', socket], {stdio: ['ignore', 'pipe', 'inherit']});
		await new Promise(resolve => agent.stdout.once('data', resolve));
		const env = {SSH_AUTH_SOCK: socket};
		await promisify(execFile)('ssh-add', ['-q', sshd.clientKey], {env: {...process.env, ...env}});
		const storage = await open({identity: ''}, {env});
		assert.equal(await storage.stat('nothing', {signal: never}), undefined);
		await storage.close();
		agent.kill();
		await assert.rejects(
			open({identity: ''}, {env: {SSH_AUTH_SOCK: '/nowhere'}}),
			isFailure(/cannot log in/, 'CONFIG'),
		);
	});

	it('opens an identity with its passphrase, and rejects it without', async () => {
		const path = join(sshd.scratch, 'locked');
		await makeKey(path, 'ed25519', 'open sesame');
		await assert.rejects(open({identity: path}), isFailure(/could not use the ssh identity/, 'CONFIG'));
		await assert.rejects(
			open({identity: path, password: 'wrong'}),
			isFailure(/could not use the ssh identity/, 'CONFIG'),
		);
		await assert.rejects(open({identity: '~'}), isFailure(/could not read the ssh identity/, 'CONFIG'));
		await assert.rejects(open({identity: '~nobody-at-all/x'}), isFailure(/~nobody-at-all: no such user/, 'CONFIG'));
		const storage = await open({identity: path, password: 'open sesame'});
		await assert.rejects(storage.stat('x', {signal: never}), isFailure(/none of the available ways to log in/));
		await storage.close();
	});
});

describe('SFTP on a server that refuses', () => {
	let server: FaultyServer;
	let home: string;
	before(async () => {
		server = await startFaultyServer({password: 'secret'});
		home = await mkdtemp(join(tmpdir(), 'sftp-'));
	});
	after(async () => {
		await server.stop();
		await rm(home, {recursive: true});
	});
	const open = (at: FaultyServer = server, password = 'secret') =>
		openSftp(
			{host: '127.0.0.1', port: at.port, user: 'me', password, hostKeyFingerprint: fingerprint(at.hostKey), ...patient},
			{...testContext(), home},
		);

	it('works without any extension, replacing included', async () => {
		const storage = await open();
		for (const content of [bytes.subarray(0, 100_000), bytes.subarray(7, 50_000)]) {
			const result = await storage.put('plain/it', {read: () => chunked(content, 9973)}, {signal: never});
			assert.deepEqual(result.proof, {by: 'size'});
			assert.equal(result.flushed, false);
			assert.ok(
				content.equals(await readAll(storage.get('plain/it', {signal: never}))),
				'short reads are put together',
			);
		}
		assert.deepEqual(await listKeys(storage, ''), ['plain/it']);
		await assert.rejects(
			storage.put('plain/it', bytesSource(bytes), {signal: never, ifAbsent: true}),
			isFailure(/exists/, 'EXISTS'),
		);
		await storage.close();
	});

	it('says that the quota is full, and leaves nothing', async () => {
		server.refuse = (request, _path, end) =>
			request === 'WRITE' && end > 500_000 ? {code: 4, message: 'Disk quota exceeded'} : undefined;
		const storage = await open();
		await assert.rejects(storage.put('full/it', bytesSource(bytes), {signal: never}), error => {
			assert.ok(storage.isPermanent(error));
			return isFailure(/could not upload full\/it to sftp:.*disk quota exceeded/)(error);
		});
		server.refuse = () => undefined;
		assert.deepEqual(
			[...server.files.keys()].filter(name => name.startsWith('full/')),
			[],
		);
		await storage.close();
	});

	it('tells of everything that is not permitted', async () => {
		const storage = await open();
		await storage.put('denied/it', bytesSource(Buffer.from('x')), {signal: never});
		const deny = (name: string) => (server.refuse = request => (request === name ? {code: 3} : undefined));
		deny('REMOVE');
		const [removal] = await storage.remove(['denied/it'], {signal: never});
		assert.match(removal?.error?.message ?? '', /could not remove denied\/it from sftp:.*permission denied/);
		deny('OPENDIR');
		await assert.rejects(
			collect(storage.list('', {signal: never})),
			isFailure(/could not list sftp:.*permission denied/),
		);
		deny('MKDIR');
		await assert.rejects(
			storage.put('elsewhere/new', bytesSource(bytes), {signal: never}),
			isFailure(/permission denied/),
		);
		server.refuse = () => undefined;
		assert.deepEqual(
			(await listKeys(storage, '')).filter(key => /new|\.part/.test(key)),
			[],
		);
		await storage.close();
	});

	it('logs in by password only, and says when that is wrong', async () => {
		server.tried.length = 0;
		const storage = await open(server, 'wrong');
		await assert.rejects(storage.stat('x', {signal: never}), error => {
			assert.ok(storage.isPermanent(error));
			assert.doesNotMatch((error as Error).message, /wrong/);
			return isFailure(/none of the available ways to log in/)(error);
		});
		assert.ok(server.tried.includes('password'));
		await storage.close();
	});

	it('answers keyboard-interactive with the password, and says when there is no sftp', async () => {
		const interactive = await startFaultyServer({password: 'secret', interactive: true});
		const storage = await open(interactive);
		assert.equal(await storage.stat('x', {signal: never}), undefined);
		await storage.close();
		await interactive.stop();
		const shellOnly = await startFaultyServer({password: 'secret', noSftp: true});
		const none = await open(shellOnly);
		await assert.rejects(
			none.stat('x', {signal: never}),
			isFailure(/could not connect to sftp:.*does not provide sftp/),
		);
		await none.close();
		await shellOnly.stop();
	});

	it('reports a refused connection', async () => {
		const gone = await startFaultyServer({password: 'x'});
		const storage = await open(gone);
		await gone.stop();
		await assert.rejects(storage.stat('x', {signal: never}), isFailure(/connection refused/));
	});
});

function fingerprintOf(publicKey: string): string {
	return fingerprint(Buffer.from(publicKey.split(' ')[1] ?? '', 'base64'));
}
