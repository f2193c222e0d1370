/** Files that age(1) wrote are read, and files of ours are read by age(1). */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {randomInt} from 'node:crypto';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, describe, test} from 'node:test';
import {spawn as spawnTerminal} from '@lydell/node-pty';
import {parseRecipients, passphraseEncryption} from '../../../source/stages/age/load-keys.js';
import {findTool} from '../../helpers/tools.js';
import {decryptAll, encryptAll, identityKeys, newPair, passphraseKeys, randomData, refusedAs} from './helpers.js';

const program = findTool('age') ?? 'age';
const version = findTool('age') ? execFileSync(program, ['--version'], {encoding: 'utf8'}).trim() : undefined;
const absent = version === undefined ? 'the age program is not installed' : false;
const directory = mkdtempSync(join(tmpdir(), 'pg_back-age-'));
after(() => rmSync(directory, {recursive: true, force: true}));

const sizes = [0, 1, 65_535, 65_536, 65_537, 131_072, ...Array.from({length: 5}, () => randomInt(50 * 1024 * 1024))];
const run = (args: readonly string[], input: Buffer) => execFileSync(program, args, {input, maxBuffer: 2 ** 28});

describe('the age program', {skip: absent}, () => {
	for (const size of sizes) {
		test(`both directions, ${size} bytes`, async () => {
			const pair = await newPair();
			const keyFile = join(directory, `${size}.txt`);
			writeFileSync(keyFile, pair.identity, {mode: 0o600});
			const plain = randomData(size);
			const ours = await encryptAll(plain, parseRecipients([pair.recipient]));
			assert.ok(plain.equals(run(['-d', '-i', keyFile], ours)));
			const theirs = run(['-r', pair.recipient], plain);
			assert.equal(theirs.length, ours.length);
			assert.ok(plain.equals(await decryptAll(theirs, identityKeys(pair.identity))));
			const armored = run(['-a', '-r', pair.recipient], plain);
			assert.ok(plain.equals(await decryptAll(armored, identityKeys(pair.identity))));
		});
	}

	test('several recipients: each of them can read', async () => {
		const pairs = [await newPair(), await newPair(), await newPair()];
		const plain = randomData(1000);
		const ours = await encryptAll(plain, parseRecipients(pairs.map(pair => pair.recipient)));
		const theirs = run(
			pairs.flatMap(pair => ['-r', pair.recipient]),
			plain,
		);
		for (const [index, pair] of pairs.entries()) {
			const keyFile = join(directory, `several${index}.txt`);
			writeFileSync(keyFile, pair.identity, {mode: 0o600});
			assert.ok(plain.equals(run(['-d', '-i', keyFile], ours)));
			assert.ok(plain.equals(await decryptAll(theirs, identityKeys(pair.identity))));
		}
	});

	test('a passphrase, both directions', async () => {
		const plain = randomData(70_000);
		const [ours, plainFile, theirs] = ['ours.age', 'plain', 'theirs.age'].map(name => join(directory, name)) as [
			string,
			string,
			string,
		];
		writeFileSync(plainFile, plain);
		writeFileSync(ours, await encryptAll(plain, passphraseEncryption('correct horse')));
		assert.equal(await onTerminal(['-d', '-o', `${plainFile}.ours`, ours], 'correct horse'), 0);
		assert.ok(plain.equals(execFileSync('cat', [`${plainFile}.ours`])));
		assert.equal(await onTerminal(['-p', '-o', theirs, plainFile], 'correct horse'), 0);
		const file = execFileSync('cat', [theirs]);
		assert.ok(plain.equals(await decryptAll(file, passphraseKeys('wrong', 'correct horse'))));
		await assert.rejects(decryptAll(file, passphraseKeys('wrong')), refusedAs('WRONG_KEY', /wrong passphrase/));
	});

	const [major = 0, minor = 0] = (version ?? '').replace(/^v/, '').split('.').map(Number);
	const tooOld = major > 1 || minor >= 3 ? false : `age ${version ?? ''} knows no post-quantum keys (1.3 does)`;
	test('post-quantum keys, both directions', {skip: tooOld}, async () => {
		const pair = await newPair('post-quantum');
		const keyFile = join(directory, 'pq.txt');
		writeFileSync(keyFile, pair.identity, {mode: 0o600});
		const recipientsFile = join(directory, 'pq.pub');
		writeFileSync(recipientsFile, pair.recipient);
		const plain = randomData(100_000);
		assert.ok(plain.equals(run(['-d', '-i', keyFile], await encryptAll(plain, parseRecipients([pair.recipient])))));
		assert.ok(plain.equals(await decryptAll(run(['-R', recipientsFile], plain), identityKeys(pair.identity))));
	});
});

/** Runs age on a terminal and types the passphrase at each prompt. Resolves with its exit status. */
function onTerminal(args: string[], passphrase: string): Promise<number> {
	return new Promise(resolve => {
		const terminal = spawnTerminal(program, args, {});
		terminal.onData(text => {
			if (/passphrase[^\n]*: ?$/i.test(text)) terminal.write(`${passphrase}\r`);
		});
		terminal.onExit(({exitCode}) => resolve(exitCode));
	});
}
