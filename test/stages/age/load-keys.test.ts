import assert from 'node:assert/strict';
import {chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {armor, Encrypter, Stanza} from 'age-encryption';
import {PgBackError} from '../../../source/core/errors.js';
import {
	type KeyContext,
	type KeyMaterial,
	loadDecryptionKeys,
	loadEncryptionKeys,
	parseIdentities,
	parseRecipients,
	passphraseEncryption,
} from '../../../source/stages/age/load-keys.js';
import {parseStanza} from '../../../source/stages/age/scrypt.js';
import {decryptAll, encryptAll, identityKeys, neverAborted, newPair, refusedAs} from './helpers.js';

const directory = mkdtempSync(join(tmpdir(), 'pg_back-keys-'));
after(() => rmSync(directory, {recursive: true, force: true}));

const classic = await newPair();
const other = await newPair();
const quantum = await newPair('post-quantum');
// The kind of a hardware key: any point of P-256.
const tag = 'age1tag1qgvxsw4tvlr2g7sp2l4wy3wf0plw78kwlx6e8au4xd2g7523g7dhyawj4ny';

function file(name: string, content: string | Uint8Array, mode = 0o600): string {
	const path = join(directory, name);
	writeFileSync(path, content);
	chmodSync(path, mode);
	return path;
}

const none: KeyMaterial = {publicKeys: [], recipientsFiles: [], privateKeys: [], identityFiles: []};

function context(answers?: readonly string[]): KeyContext & {warnings: string[]; asked: string[]} {
	const warnings: string[] = [];
	const asked: string[] = [];
	const left = [...(answers ?? [])];
	return {
		warnings,
		asked,
		signal: neverAborted,
		env: {PATH: process.env['PATH']},
		onWarning: text => warnings.push(text),
		askPassphrase: answers && (label => (asked.push(label), Promise.resolve(left.shift() ?? ''))),
	};
}

const encryption = (material: Partial<KeyMaterial>, answers?: readonly string[]) =>
	loadEncryptionKeys({...none, ...material}, context(answers));
const decryption = (material: Partial<KeyMaterial>, answers?: readonly string[]) =>
	loadDecryptionKeys({...none, ...material}, context(answers));

test('public keys: each kind, without duplicates', () => {
	const keys = parseRecipients([classic.recipient, ` ${other.recipient}\n`, classic.recipient, tag]);
	assert.deepEqual(keys.recipients, [classic.recipient, other.recipient, tag]);
	assert.equal(keys.postQuantum, false);
	assert.equal(parseRecipients([quantum.recipient]).postQuantum, true);
});

test('public keys: no mix of post-quantum and classic', () => {
	for (const second of [classic.recipient, tag]) {
		assert.throws(() => parseRecipients([quantum.recipient, second]), refusedAs('CONFIG', /cannot be mixed/));
	}
});

test('public keys: malformed ones are named, secrets are not', () => {
	const swapped = classic.recipient.replace(/.$/, last => (last === 'q' ? 'p' : 'q'));
	for (const [text, message] of [
		['', /malformed/],
		['age1', /malformed public key age1$/],
		[swapped, new RegExp(`malformed public key ${swapped.slice(0, 16)}…$`)],
		[classic.recipient.slice(0, -1), /malformed/],
		[classic.recipient.toUpperCase(), /malformed/],
		[quantum.recipient.slice(0, -9), /malformed public key age1pq1/],
		['age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt', /malformed public key age1yubikey1/],
		['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ', /SSH/],
		[classic.identity, /private key/],
		['hunter2', /malformed public key$/],
	] as const) {
		assert.throws(() => parseRecipients([text]), refusedAs('CONFIG', message), text);
	}
	try {
		parseRecipients([classic.identity]);
	} catch (error) {
		assert.ok(error instanceof PgBackError);
		assert.ok(!JSON.stringify([error.message, error.hint, String(error.cause)]).includes(classic.identity.slice(20)));
	}
	assert.throws(() => parseRecipients([]), refusedAs('CONFIG', /no public key/));
});

test('private keys: comments and several lines; malformed ones are refused and not shown', () => {
	const text = `# created: today\n# public key: ${classic.recipient}\n${classic.identity}\r\n\n  ${quantum.identity}\n${classic.identity}\n`;
	assert.deepEqual(parseIdentities(text, 'keys.txt'), [classic.identity, quantum.identity]);
	const wrong = classic.identity.slice(0, -3);
	for (const [bad, message] of [
		[`# a\n${wrong}\n`, /^keys.txt:2: malformed private key$/],
		[wrong, /^keys.txt: malformed private key$/],
		[classic.recipient, /public key/],
		['-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n', /SSH/],
		['AGE-PLUGIN-YUBIKEY-1QQQ', /plugin/],
		['# nothing\n', /contains no private key/],
	] as const) {
		assert.throws(
			() => parseIdentities(bad, 'keys.txt'),
			(error: unknown) => {
				assert.ok(error instanceof PgBackError && error.code === 'CONFIG');
				assert.match(error.message, message);
				assert.ok(!`${error.message} ${error.hint ?? ''} ${String(error.cause)}`.includes(wrong.slice(0, 30)));
				return true;
			},
		);
	}
});

test('encryption: a file that others can change decides nothing', async () => {
	const open = file('open', `${classic.recipient}\n`, 0o666);
	await assert.rejects(
		encryption({recipientsFiles: [open]}),
		refusedAs('CONFIG', /open is not used to encrypt: .* is writable by every user \(mode 0666\)/),
	);
	const passphrase = file('open-passphrase', 'correct horse\n', 0o606);
	await assert.rejects(
		encryption({passphraseFile: passphrase}),
		refusedAs('CONFIG', /open-passphrase is not used to encrypt/),
	);
	const folder = join(directory, 'everybodys');
	mkdirSync(folder);
	const inside = join(folder, 'recipients');
	writeFileSync(inside, `${classic.recipient}\n`, {mode: 0o600});
	chmodSync(folder, 0o777);
	await assert.rejects(encryption({recipientsFiles: [inside]}), refusedAs('CONFIG', /everybodys is writable/));
	symlinkSync(open, join(directory, 'link'));
	await assert.rejects(encryption({recipientsFiles: [join(directory, 'link')]}), refusedAs('CONFIG', /mode 0666/));
});

test('encryption: public keys from options and files, checked with their place', async () => {
	const path = file('recipients', `# team\n${classic.recipient}\n\n${other.recipient} \n`);
	const keys = await encryption({publicKeys: [tag], recipientsFiles: [path]});
	assert.deepEqual(keys.recipients, [tag, classic.recipient, other.recipient]);
	const bad = file('bad', `# team\n${classic.recipient}\nage1oops\n`);
	await assert.rejects(
		encryption({recipientsFiles: [bad]}),
		refusedAs('CONFIG', /bad:3: malformed public key age1oops/),
	);
	await assert.rejects(
		encryption({recipientsFiles: [file('empty', '# none\n')]}),
		refusedAs('CONFIG', /contains no public key/),
	);
	await assert.rejects(
		encryption({recipientsFiles: [join(directory, 'absent')]}),
		refusedAs('CONFIG', /absent: no such file/),
	);
	await assert.rejects(encryption({recipientsFiles: [directory]}), refusedAs('CONFIG', /is a directory/));
	await assert.rejects(
		encryption({publicKeys: [classic.identity]}),
		refusedAs('CONFIG', /cipher_public_key: this is a private key/),
	);
	await assert.rejects(encryption({publicKeys: [lowOrder]}), refusedAs('CONFIG', /invalid public key age1/));
});

// The point 0 of Curve25519: well-formed, but whatever is encrypted to it can be read by anybody.
const lowOrder = 'age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z';

test('encryption: a passphrase from one source only, and not together with public keys', async () => {
	const passphraseFile = file('pass', 'from file\r\nsecond line\n');
	const passphraseCommand = ['printf', String.raw`%s\n`, 'from  command', 'more'];
	assert.equal((await encryption({passphrase: 'plain'})).passphrase?.toString(), 'plain');
	assert.equal((await encryption({passphraseFile})).passphrase?.toString(), 'from file');
	assert.equal((await encryption({passphraseCommand})).passphrase?.toString(), 'from  command');
	assert.equal((await encryption({environmentPassphrase: 'env'})).passphrase?.toString(), 'env');
	assert.equal((await encryption({environmentPassphrase: 'env', passphrase: 'plain'})).passphrase?.toString(), 'plain');
	const both = await encryption({environmentPassphrase: 'env', publicKeys: [classic.recipient]});
	assert.equal(both.passphrase, undefined);
	await assert.rejects(encryption({passphrase: 'a', publicKeys: [classic.recipient]}), refusedAs('CONFIG', /together/));
	await assert.rejects(encryption({passphrase: 'a', passphraseFile}), refusedAs('CONFIG', /more than one way/));
});

test('encryption: empty passphrases and failing commands are refused', async () => {
	assert.throws(() => passphraseEncryption(''), refusedAs('CONFIG', /empty/));
	await assert.rejects(encryption({passphrase: ''}), refusedAs('CONFIG', /empty/));
	await assert.rejects(encryption({environmentPassphrase: ''}), refusedAs('CONFIG', /empty/));
	await assert.rejects(encryption({passphraseFile: file('none', '\nx')}), refusedAs('CONFIG', /empty/));
	await assert.rejects(encryption({passphraseCommand: ['true']}), refusedAs('CONFIG', /empty/));
	await assert.rejects(encryption({passphraseCommand: []}), refusedAs('CONFIG', /command is empty/));
	await assert.rejects(
		encryption({passphraseCommand: ['ls', '/nowhere/at/all']}),
		refusedAs('CONFIG', /ls: exit status 2: .*nowhere/),
	);
	await assert.rejects(
		encryption({passphraseCommand: ['/nowhere/command', 'x']}),
		refusedAs('CONFIG', /\/nowhere\/command/),
	);
});

test('a passphrase whose bytes were lost in decoding is refused; the bytes of a file are used as they are', async () => {
	const bytes = Buffer.from('p\xe9ss', 'latin1');
	const passphrase = bytes.toString();
	for (const load of [encryption, decryption]) {
		await assert.rejects(load({passphrase}), refusedAs('CONFIG', /cipher_pass: the passphrase is not valid UTF-8/));
		await assert.rejects(load({environmentPassphrase: passphrase}), refusedAs('CONFIG', /not valid UTF-8/));
	}
	const {passphrases} = await decryption({passphraseFile: file('latin1', bytes)});
	assert.deepEqual(passphrases, [bytes]);
});

test('encryption and decryption: the person is asked only when nothing is given', async () => {
	await assert.rejects(encryption({}), refusedAs('CONFIG', /needs a public key or a passphrase/));
	await assert.rejects(decryption({}), refusedAs('CONFIG', /needs a private key or a passphrase/));
	assert.equal((await encryption({}, ['word', 'word'])).passphrase?.toString(), 'word');
	await assert.rejects(encryption({}, ['word', 'other']), refusedAs('CONFIG', /differ/));
	await assert.rejects(encryption({}, ['']), refusedAs('CONFIG', /empty/));
	assert.deepEqual((await decryption({}, ['word'])).passphrases.map(String), ['word']);
	const asking = context(['word']);
	await loadDecryptionKeys({...none, environmentPassphrase: 'env'}, asking);
	assert.deepEqual(asking.asked, []);
});

test('decryption: private keys from options and files, and a passphrase in addition', async () => {
	const path = file('id', `${classic.identity}\n${quantum.identity}\n`);
	const keys = await decryption({privateKeys: [other.identity], identityFiles: [path], passphrase: 'p'});
	assert.deepEqual(keys.identities, [other.identity, classic.identity, quantum.identity]);
	assert.deepEqual(keys.passphrases.map(String), ['p']);
	for (const pair of [classic, quantum, other]) {
		const sealed = await encryptAll(Buffer.from('x'), parseRecipients([pair.recipient]));
		assert.equal((await decryptAll(sealed, keys)).toString(), 'x');
	}
});

test('key files that others can read are warned about', async () => {
	const loose = context();
	const identityFiles = [file('loose', classic.identity, 0o644), file('tight', other.identity, 0o600)];
	await loadDecryptionKeys({...none, identityFiles, passphraseFile: file('loosepass', 'x', 0o640)}, loose);
	assert.equal(loose.warnings.length, 2);
	assert.match(loose.warnings[0]!, /loosepass .*0640.*chmod 600/);
	assert.match(loose.warnings[1]!, /loose .*0644/);
});

test('an identity file that is protected by a passphrase', async () => {
	const encrypter = new Encrypter();
	encrypter.setScryptWorkFactor(10);
	encrypter.setPassphrase('open');
	const sealed = await encrypter.encrypt(`# mine\n${classic.identity}\n`);
	const binary = file('id.age', sealed);
	const armored = file('id.asc', armor.encode(sealed));
	for (const path of [binary, armored]) {
		const asking = context(['open']);
		const keys = await loadDecryptionKeys({...none, identityFiles: [path]}, asking);
		assert.deepEqual(keys, identityKeys(classic.identity));
		assert.deepEqual(asking.asked, [`passphrase of ${path}`]);
		assert.deepEqual((await decryption({identityFiles: [path], passphrase: 'open'})).identities, [classic.identity]);
		assert.deepEqual((await decryption({identityFiles: [path], passphrase: 'x'}, ['open'])).identities, [
			classic.identity,
		]);
		const given = {identityFiles: [path], identityPassphrase: 'open'};
		assert.deepEqual(await decryption(given), identityKeys(classic.identity));
		assert.deepEqual((await decryption({...given, passphrase: 'x'})).identities, [classic.identity]);
		await assert.rejects(
			decryption({...given, identityPassphrase: 'no'}),
			refusedAs('WRONG_KEY', /id\.a.*: wrong passphrase/),
		);
		await assert.rejects(decryption({identityFiles: [path]}), refusedAs('CONFIG', /protected by a passphrase/));
		await assert.rejects(
			decryption({identityFiles: [path]}, ['no']),
			refusedAs('WRONG_KEY', /id\.a.*: wrong passphrase/),
		);
		await assert.rejects(
			decryption({identityFiles: [path], passphrase: 'no'}),
			refusedAs('WRONG_KEY', /wrong passphrase/),
		);
	}
	const cut = file('cut.age', sealed.subarray(0, -1));
	await assert.rejects(decryption({identityFiles: [cut]}, ['open']), refusedAs('CORRUPT', /cut\.age: /));
});

test('scrypt: work factors up to what age(1) accepts', () => {
	const stanza = (factor: string) => new Stanza(['scrypt', 'rF0/NwblUHHTpgQgRpe5CQ', factor], new Uint8Array(32));
	assert.equal(parseStanza(stanza('22')).logN, 22);
	assert.throws(() => parseStanza(stanza('23')), /work factor 23 is too high/);
});
