/** The bad day from the console: find dumps among thousands, download and decrypt them, with the wrong secret first. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {Encrypter} from 'age-encryption';
import {startCluster} from '../helpers/cluster.js';
import {startFaultProxy} from '../helpers/fault-proxy.js';
import {connectTo, filesIn, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';
import {type S3Server, startS3Server} from '../helpers/s3-server.js';
import {keys, type OnTerminal, onTerminal, patience} from './console-terminal.js';
import {configFile, s3Settings} from './remote-places.js';

const passphrase = 'correct horse';
const databases = ['app', 'billing', 'customers', 'events', 'orders'];
const prefix = 'prod/';
let store: S3Server;
/** As it was before encryption. */
let dump: Buffer;
let encrypted: Buffer;

before(async () => {
	const server = await startCluster({name: 'console-files'});
	try {
		await server.psql('postgres', 'create database orders');
		await server.psql('orders', 'create table lines as select i from generate_series(1, 1000) i');
		const directory = scratchDirectory('source');
		assert.equal((await runProgram([...connectTo(server, directory), 'orders'])).code, 0);
		const name = filesIn(directory).find(one => one.endsWith('.dump')) ?? '';
		dump = readFileSync(join(directory, name));
	} finally {
		await server.stop();
	}
	const encrypter = new Encrypter();
	encrypter.setScryptWorkFactor(10);
	encrypter.setPassphrase(passphrase);
	encrypted = Buffer.from(await encrypter.encrypt(dump));
	store = await startS3Server();
	const small = {...held(Buffer.from('another dump')), size: 12};
	for (let run = 0; run < 1000; run++) {
		const time = new Date(Date.UTC(2026, 9, 1) - run * 86_400_000).toISOString().slice(0, 19);
		for (const name of databases) store.objects.set(`${prefix}${name}_${time}Z.dump.age`, small);
		if (run < 3) store.objects.set(`${prefix}orders_${time}Z.dump.age`, held(encrypted));
	}
});
after(async () => store.close());

function held(bytes: Buffer) {
	const etag = createHash('md5').update(bytes).digest('hex');
	return {bytes, size: bytes.length, etag, modified: Date.UTC(2026, 9, 1), headers: {}, version: '1'};
}

async function typeSecret(screen: OnTerminal, secret: string): Promise<void> {
	screen.type(secret);
	await screen.sees(new RegExp(`passphrase +•{${secret.length}} `));
	screen.type(keys.enter);
}

/** From what is in a dump back to the list, and to the question that is before its decryption. */
async function decryptIt(screen: OnTerminal): Promise<void> {
	await screen.sees('tables 1');
	screen.type(keys.escape);
	await screen.waitFor(text => !text.includes('tables 1'), 'the list again', patience);
	screen.type('t');
	await screen.sees('Decrypt 1 file');
	screen.type(keys.enter);
}

async function leaveWhenDone(screen: OnTerminal): Promise<void> {
	await screen.sees('all went well');
	screen.type('q');
	assert.equal(await screen.status(), 0, screen.text());
}

describe('the console over files', {timeout: 120_000}, () => {
	test('5,000 remote files: filter, mark three, download, decrypt, verify; the wrong passphrase first', async () => {
		const directory = scratchDirectory('here');
		const target = join(scratchDirectory('target'), 'restore');
		const config = configFile([
			...s3Settings(store.url),
			`upload_prefix = ${prefix}`,
			`backup_directory = ${directory}`,
		]);
		await using screen = await onTerminal(['-c', config, '--list-remote', 's3']);
		await screen.sees('5 000 files in 1 000 runs');
		screen.type('/orders');
		await screen.sees('1 000 of 5 000 files');
		screen.type(keys.enter);
		await screen.sees('filter: orders');
		screen.type('   ');
		await screen.sees('3 marked');
		screen.type('d');
		await screen.sees('Download 3 files');
		screen.type(keys.ctrlU);
		await screen.sees(/into the directory +│/);
		screen.type(target);
		await screen.sees(target);
		screen.type(keys.enter);
		await screen.sees('Encrypted with a passphrase');
		await typeSecret(screen, 'battery staple');
		await screen.sees('wrong passphrase');
		assert.equal(screen.bytes().includes('battery staple'), false, 'a typed secret was shown');
		screen.type(keys.ctrlU);
		await screen.sees(/passphrase +[_ ]? *│/);
		await typeSecret(screen, passphrase);
		await screen.sees('all went well');
		assert.match(screen.text(), /✓ 3 done/);
		screen.type('q');
		assert.equal(await screen.status(), 0, screen.text());
		const files = filesIn(join(target, 'prod'));
		assert.equal(files.length, 6, files.join());
		for (const file of files) {
			const bytes = readFileSync(join(target, 'prod', file));
			assert.deepEqual(bytes, file.endsWith('.age') ? encrypted : dump, file);
		}
		assert.equal(screen.bytes().includes(passphrase), false, 'a typed secret was shown');
	});

	test('an identity file that is itself encrypted: its passphrase is asked for, the wrong one first', async () => {
		const directory = scratchDirectory('here');
		const {identity, recipient} = await newAgeKeys();
		const encrypter = new Encrypter();
		encrypter.addRecipient(recipient);
		const name = 'orders_2026-10-01T00:00:00Z.dump';
		writeFileSync(join(directory, `${name}.age`), await encrypter.encrypt(dump));
		const lock = new Encrypter();
		lock.setScryptWorkFactor(10);
		lock.setPassphrase(passphrase);
		const path = join(scratchDirectory('keys'), 'id.age');
		writeFileSync(path, await lock.encrypt(`${identity}\n`), {mode: 0o600});
		const config = configFile([`cipher_identity_file = ${path}`, `backup_directory = ${directory}`]);
		await using screen = await onTerminal(['-c', config, '-i']);
		screen.type('2');
		await screen.sees('1 file in 1 run');
		await screen.sees(/\[ \] orders .* age/);
		screen.type('i');
		await screen.sees('The passphrase of the identity file');
		await typeSecret(screen, 'battery staple');
		await screen.sees('wrong passphrase');
		await typeSecret(screen, passphrase);
		await decryptIt(screen);
		await leaveWhenDone(screen);
		assert.deepEqual(readFileSync(join(directory, name)), dump);
		for (const secret of [passphrase, 'battery staple'])
			assert.equal(screen.bytes().includes(secret), false, 'a typed secret was shown');
	});

	test('a private key: its file with Tab completion, asked once; a wrong one is named by its public key', async () => {
		const directory = scratchDirectory('here');
		const [right, wrong] = [await newAgeKeys(), await newAgeKeys()];
		const encrypter = new Encrypter();
		encrypter.addRecipient(right.recipient);
		const name = 'orders_2026-10-01T00:00:00Z.dump';
		writeFileSync(join(directory, `${name}.age`), await encrypter.encrypt(dump));
		const keyDirectory = scratchDirectory('keys');
		writeFileSync(join(keyDirectory, 'old.txt'), `# created long ago\n${wrong.identity}\n`, {mode: 0o600});
		writeFileSync(join(keyDirectory, 'right.txt'), `${right.identity}\n`, {mode: 0o600});
		const config = configFile([`backup_directory = ${directory}`]);
		await using screen = await onTerminal(['-c', config, '-i'], {columns: 120});
		screen.type('2');
		await screen.sees('1 file in 1 run');
		screen.type('i');
		await screen.sees('Encrypted for a public key');
		screen.type(`${keyDirectory}/`);
		await screen.sees(`${keyDirectory}/`);
		screen.type('\t');
		await screen.sees('old.txt  right.txt');
		screen.type('o\t');
		await screen.sees(`${keyDirectory}/old.txt`);
		screen.type(keys.enter);
		await screen.sees('no private key matches');
		assert.ok(
			screen
				.text()
				.replaceAll(/[\s│]+/g, '')
				.includes(wrong.recipient),
			screen.text(),
		);
		screen.type(keys.ctrlU);
		await screen.sees(/private key +│/);
		screen.type(`${keyDirectory}/r`);
		await screen.sees(`${keyDirectory}/r`);
		screen.type('\t');
		await screen.sees(`${keyDirectory}/right.txt`);
		screen.type(keys.enter);
		await decryptIt(screen);
		await leaveWhenDone(screen);
		assert.deepEqual(readFileSync(join(directory, name)), dump);
		for (const {identity} of [right, wrong])
			assert.equal(screen.bytes().includes(identity), false, 'a private key was shown');
	});

	test('a private key that is pasted is not shown, a whole key file neither', async () => {
		const directory = scratchDirectory('here');
		const {identity, recipient} = await newAgeKeys();
		const encrypter = new Encrypter();
		encrypter.addRecipient(recipient);
		const name = 'orders_2026-10-01T00:00:00Z.dump';
		writeFileSync(join(directory, `${name}.age`), await encrypter.encrypt(dump));
		await using screen = await onTerminal(['-c', configFile([`backup_directory = ${directory}`]), '-i']);
		screen.type('2');
		await screen.sees('1 file in 1 run');
		screen.type('v');
		await screen.sees('Encrypted for a public key');
		screen.type(`\u001B[200~# public key: ${recipient}\n${identity}\n\u001B[201~`);
		await screen.sees(/private key +•{20}/);
		screen.type(keys.enter);
		await leaveWhenDone(screen);
		assert.equal(screen.bytes().includes(identity.slice(0, 30)), false, 'a private key was shown');
	});

	test('another store, and local files: looked into, decrypted, nothing overwritten unasked', async () => {
		const directory = scratchDirectory('here');
		const remote = scratchDirectory('store');
		const name = 'orders_2026-10-01T00:00:00Z.dump';
		writeFileSync(join(remote, `${name}.age`), encrypted);
		mkdirSync(join(remote, 'notes'));
		writeFileSync(join(remote, 'notes/read me.txt'), 'hello');
		const config = configFile([`local_directory = ${remote}`, `backup_directory = ${directory}`]);
		await using screen = await onTerminal(['-c', config, '-i'], {columns: 80, rows: 24});
		screen.type('2');
		await screen.sees('no files here');
		screen.type(keys.right);
		await screen.sees('2 files in 1 run');
		screen.type('a');
		await screen.sees('2 marked');
		screen.type('d');
		await screen.sees('decrypt');
		screen.type(keys.enter);
		await screen.sees('Encrypted with a passphrase');
		await typeSecret(screen, passphrase);
		await screen.sees('all went well');
		assert.deepEqual(filesIn(directory), ['notes', 'notes/read me.txt', name, `${name}.age`]);
		assert.deepEqual(readFileSync(join(directory, name)), dump);

		screen.type('2');
		screen.type('\u001B[D');
		await screen.sees('3 files in 1 run');
		await screen.sees(/\[ \] orders .* age/);
		// What was typed for the download is not asked for again.
		screen.type('jji');
		await decryptIt(screen);
		await screen.sees('1 file exists already');
		screen.type('o');
		await leaveWhenDone(screen);
		assert.deepEqual(readFileSync(join(directory, name)), dump);
	});

	test('a remote that accepts the connection and sends nothing: an error soon, and F5 when it is back', async () => {
		const proxy = await startFaultProxy({port: store.port});
		try {
			const settings = s3Settings(`http://127.0.0.1:${proxy.port}`);
			const lines = [...settings, `upload_prefix = ${prefix}`, 'remote_timeout = 2', 'remote_retry = 3'];
			const config = configFile([...lines, `backup_directory = ${scratchDirectory('silent')}`]);
			proxy.faults.push({direction: 'down', after: 0, do: 'stall', times: 1000});
			await using screen = await onTerminal(['-c', config, '-i']);
			screen.type('2');
			await screen.sees('no files here');
			screen.type(keys.right);
			await screen.sees(/no (?:response|progress|answer)/);
			await screen.sees('F5');
			proxy.faults.length = 0;
			screen.type('\u001B[15~');
			await screen.sees(/\[ \] orders /);
			screen.type('q');
			assert.equal(await screen.status(), 0);
		} finally {
			await proxy.close();
		}
	});
});
