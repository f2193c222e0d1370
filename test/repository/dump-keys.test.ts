/** What the console asks the repository before it decrypts. */
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, it} from 'node:test';
import {armor, Encrypter, generateHybridIdentity, generateX25519Identity, identityToRecipient} from 'age-encryption';
import type {Secrets} from '../../source/core/secrets.js';
import {createBrowser} from '../../source/repository/browser.js';
import {shortRecipient} from '../../source/stages/age/short-recipient.js';
import {runContext} from '../helpers/run-context.js';

let directory = '';
const keys = {right: '', wrong: '', quantum: ''};
const nameOf = (database: string) => `${database}_2026-10-01T00:00:00Z.dump.age`;

async function encryptTo(prepare: (encrypter: Encrypter) => void, armored = false): Promise<Uint8Array | string> {
	const encrypter = new Encrypter();
	prepare(encrypter);
	const bytes = await encrypter.encrypt('contents');
	return armored ? armor.encode(bytes) : bytes;
}

before(async () => {
	directory = mkdtempSync(join(tmpdir(), 'pg_back-dump-keys-'));
	mkdirSync(join(directory, 'dumps'));
	keys.right = await generateX25519Identity();
	keys.wrong = await generateX25519Identity();
	keys.quantum = await generateHybridIdentity();
	const right = await identityToRecipient(keys.right);
	const put = (database: string, bytes: Uint8Array | string) =>
		writeFileSync(join(directory, 'dumps', nameOf(database)), bytes);
	const toRight = (encrypter: Encrypter) => encrypter.addRecipient(right);
	put('app', await encryptTo(toRight));
	put('armored', await encryptTo(toRight, true));
	const locked = (encrypter: Encrypter) => {
		encrypter.setScryptWorkFactor(10);
		encrypter.setPassphrase('correct horse');
	};
	put('locked', await encryptTo(locked));
	const lock = new Encrypter();
	lock.setScryptWorkFactor(10);
	lock.setPassphrase('of the file');
	writeFileSync(join(directory, 'protected.age'), await lock.encrypt(`${keys.right}\n`));
	writeFileSync(join(directory, 'right.txt'), `${keys.right}\n`, {mode: 0o600});
	const file = {
		path: nameOf('app'),
		role: 'dump',
		database: 'app',
		time: '2026-10-01T00:00:00.000Z',
		size: 1,
		encryption: {recipients: 1, kind: 'public key', to: [right]},
		verified: 'hash',
		shipped: [],
	};
	const manifest = {
		schema: 1,
		runId: 'one',
		outcome: 'complete',
		start: '2026-10-01T00:00:00.000Z',
		end: '2026-10-01T00:00:00.000Z',
		host: 'db1',
		server: {version: '15.18'},
		version: '3.1.0',
		tools: {},
		options: {},
		databases: ['app'],
		failed: [],
		files: [file],
	};
	writeFileSync(join(directory, 'dumps', 'pg_back_2026-10-01T00:00:00Z.manifest.json'), JSON.stringify(manifest));
});
after(() => rmSync(directory, {recursive: true, force: true}));

async function missing(databases: readonly string[], secrets?: Secrets, argv: readonly string[] = []) {
	const browser = createBrowser(await runContext(['-b', join(directory, 'dumps'), ...argv]));
	return browser.missingSecret({location: 'backup', keys: databases.map(nameOf)}, {secrets});
}

describe('what is missing to decrypt dumps', () => {
	it('is a passphrase only where the header of the dump has one', async () => {
		assert.deepEqual(await missing(['locked']), {kind: 'passphrase'});
		assert.deepEqual(await missing(['app']), {kind: 'private key'});
		assert.deepEqual(await missing(['armored']), {kind: 'private key'});
		assert.deepEqual(await missing(['app', 'locked']), {kind: 'key'});
	});

	it('is nothing once a secret that opens them was given', async () => {
		assert.equal(await missing(['app', 'armored'], {privateKey: keys.right}), undefined);
		assert.equal(await missing(['app'], {keyFile: join(directory, 'right.txt')}), undefined);
		assert.equal(await missing(['locked'], {passphrase: 'correct horse'}), undefined);
		assert.equal(await missing(['app', 'locked'], {passphrase: 'correct horse', privateKey: keys.right}), undefined);
		assert.equal(
			await missing(['app'], undefined, ['--cipher-identity-file', join(directory, 'right.txt')]),
			undefined,
		);
	});

	it('is told of a wrong one by its public key, and by that of the dump where the manifest has it', async () => {
		const [right, wrong] = [await identityToRecipient(keys.right), await identityToRecipient(keys.wrong)];
		assert.deepEqual(await missing(['app'], {privateKey: keys.wrong}), {
			kind: 'private key',
			problem: `this dump is encrypted to ${right}, but the key is for ${wrong}`,
		});
		assert.deepEqual(await missing(['armored'], {privateKey: keys.wrong}), {
			kind: 'private key',
			problem: `no private key matches (given: ${wrong})`,
		});
		const quantum = await missing(['armored'], {privateKey: keys.quantum});
		assert.match(quantum?.problem ?? '', /^no private key matches \(given: age1pq1\S{17}…\)$/);
		assert.equal((await missing(['locked'], {passphrase: 'battery staple'}))?.problem, 'wrong passphrase');
		assert.equal(shortRecipient(right), right);
	});

	it('is the passphrase of a key file that is itself encrypted', async () => {
		const keyFile = join(directory, 'protected.age');
		assert.deepEqual(await missing(['app'], {keyFile}), {kind: 'identity passphrase', path: keyFile});
		await assert.rejects(missing(['app'], {keyFile, identityPassphrase: 'wrong'}), /wrong passphrase/);
		assert.equal(await missing(['app'], {keyFile, identityPassphrase: 'of the file'}), undefined);
	});

	it('is refused where what was typed can be no key', async () => {
		await assert.rejects(
			missing(['app'], {privateKey: 'AGE-SECRET-KEY-1NOT'}),
			/the entered key: malformed private key/,
		);
		await assert.rejects(missing(['app'], {keyFile: join(directory, 'none.txt')}), /none\.txt/);
	});

	it('does not stop at what is configured and does not fit', async () => {
		writeFileSync(join(directory, 'wrong.txt'), `${keys.wrong}\n`, {mode: 0o600});
		const found = await missing(['app'], undefined, ['--cipher-identity-file', join(directory, 'wrong.txt')]);
		assert.equal(found?.kind, 'private key');
		assert.match(found.problem ?? '', /this dump is encrypted to age1/);
		const none = await missing(['app'], undefined, ['--cipher-identity-file', join(directory, 'none.txt')]);
		assert.equal(none?.kind, 'private key');
	});
});

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
	const found: T[] = [];
	for await (const one of source) found.push(one);
	return found;
}

describe('what the console lists', () => {
	it('comes with decoded names, and with what manifests know of each dump', async () => {
		const browser = createBrowser(await runContext(['-b', join(directory, 'dumps')]));
		const {signal} = new AbortController();
		const files = await all(browser.list('backup', {signal}));
		assert.deepEqual(
			files.map(file => file.name?.subject),
			['app', 'armored', 'locked', 'pg_back'],
		);
		const [run] = await all(browser.runs('backup', {signal}));
		assert.deepEqual(
			run?.dumps?.map(({key, verdict}) => [key, verdict]),
			[
				['pg_back_2026-10-01T00:00:00Z.manifest.json', 'none'],
				[nameOf('app'), 'hashed'],
			],
		);
	});
});
