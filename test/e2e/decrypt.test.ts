/** --decrypt: what is selected, what is refused, and what is never destroyed. No server is needed. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {before, describe, test} from 'node:test';
import {Encrypter, generateX25519Identity} from 'age-encryption';
import {filesIn, modeOf, newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';
import {findTool} from '../helpers/tools.js';

let keys: Awaited<ReturnType<typeof newAgeKeys>>;
before(async () => {
	keys = await newAgeKeys();
});

async function sealed(text: string, how: {recipient?: string; passphrase?: string} = {}): Promise<Uint8Array> {
	const encrypter = new Encrypter();
	if (how.passphrase !== undefined) {
		encrypter.setPassphrase(how.passphrase);
		encrypter.setScryptWorkFactor(10);
	} else encrypter.addRecipient(how.recipient ?? keys.recipient);
	return encrypter.encrypt(new TextEncoder().encode(text));
}

const time = '2026-01-02T03:04:05Z';

/** A backup directory with three dumps: a file each, and a directory. */
async function directoryWithDumps(): Promise<string> {
	const directory = scratchDirectory('decrypt');
	writeFileSync(join(directory, `a_${time}.dump.age`), await sealed('dump of a'));
	writeFileSync(join(directory, `b_${time}.sql.age`), await sealed('dump of b'));
	mkdirSync(join(directory, `c_${time}.d`));
	for (const member of ['toc.dat', '1.dat.gz'])
		writeFileSync(join(directory, `c_${time}.d/${member}.age`), await sealed(`${member} of c`));
	writeFileSync(join(directory, 'notes.txt'), 'mine');
	return directory;
}

const decrypt = (directory: string, args: readonly string[], options = {}) =>
	runProgram(['--no-config-file', '-b', directory, '--decrypt', ...args], {env: {}, ...options});
const withKey = () => ['--cipher-private-key', keys.identity];

describe('what is decrypted', () => {
	for (const [what, patterns, expected] of [
		['all', [], ['a', 'b', 'c/1.dat.gz', 'c/toc.dat']],
		['a pattern', ['a_*'], ['a']],
		['two patterns', ['a_*', 'b*.sql.age'], ['a', 'b']],
		['a directory', ['c_*.d'], ['c/1.dat.gz', 'c/toc.dat']],
		['a set', ['[bc]_*'], ['b', 'c/1.dat.gz', 'c/toc.dat']],
	] as const) {
		test(what, async () => {
			const directory = await directoryWithDumps();
			const run = await decrypt(directory, [...withKey(), '-j', '2', ...patterns], {umask: '000'});
			assert.equal(run.code, 0, run.stderr);
			const made = filesIn(directory).filter(
				name => !name.endsWith('.age') && name !== 'notes.txt' && !name.endsWith('.d'),
			);
			assert.deepEqual(
				made.map(name => name.replace(`_${time}`, '').replace(/\.(dump|sql|d(?=\/))/, '')),
				expected,
			);
			for (const name of made) {
				assert.equal(modeOf(join(directory, name)), '600', '11.2.20 only for their owner');
				assert.match(readFileSync(join(directory, name), 'utf8'), / of [abc]$/);
			}
			assert.equal(filesIn(directory).filter(name => name.endsWith('.age')).length, 4, 'the encrypted files stay');
		});
	}

	test('a pattern that selects nothing is an error, and the others are decrypted; no encrypted file at all is a warning', async () => {
		const none = await decrypt(await directoryWithDumps(), [...withKey(), 'zzz*']);
		assert.equal(none.code, 1, none.stderr);
		assert.match(none.stderr, /FATAL: nothing at .* matches zzz\*: searched 4 encrypted files/);
		const directory = await directoryWithDumps();
		const some = await decrypt(directory, [...withKey(), 'zzz', 'a']);
		assert.equal(some.code, 1, some.stderr);
		assert.ok(filesIn(directory).includes(`a_${time}.dump`), some.stderr);
		const empty = await decrypt(scratchDirectory('decrypt'), withKey());
		assert.equal(empty.code, 0, empty.stderr);
		assert.match(empty.stderr, /WARN: no encrypted file found in/);
	});

	test('a malformed pattern is a mistake of the command line', async () => {
		assert.equal((await decrypt(await directoryWithDumps(), [...withKey(), 'a['])).code, 2);
	});

	test('-m is honoured', async () => {
		const directory = await directoryWithDumps();
		await decrypt(directory, [...withKey(), '-m', '0640', 'a_*'], {umask: '000'});
		assert.equal(modeOf(join(directory, `a_${time}.dump`)), '640');
	});

	test('--stdout: one after the other, and nothing on the disk', async () => {
		const directory = await directoryWithDumps();
		const run = await decrypt(directory, [...withKey(), '--stdout', 'a_*', 'b_*']);
		assert.equal(run.code, 0, run.stderr);
		assert.equal(run.stdout, 'dump of adump of b');
		assert.equal(filesIn(directory).filter(name => !name.endsWith('.age')).length, 2);
	});

	test('a passphrase: from the environment, a file, a command', async () => {
		const directory = scratchDirectory('decrypt');
		writeFileSync(join(directory, `a_${time}.dump.age`), await sealed('dump of a', {passphrase: 'open sesame'}));
		const file = join(directory, 'pass');
		writeFileSync(file, 'open sesame\n', {mode: 0o600});
		for (const [args, env] of [
			[[], {PGBK_CIPHER_PASS: 'open sesame'}],
			[['--cipher-pass-file', file], {}],
			[['--cipher-pass-command', 'printf "open sesame"'], {}],
		] as const) {
			const run = await decrypt(directory, ['--stdout', ...args], {env});
			assert.equal(run.code, 0, run.stderr);
			assert.equal(run.stdout, 'dump of a');
		}
	});
});

describe('what is refused', () => {
	test('11.1.9 a wrong key, exit 16: what was there stays', async () => {
		const directory = await directoryWithDumps();
		const plain = join(directory, `a_${time}.dump`);
		writeFileSync(plain, 'precious');
		const other = await generateX25519Identity();
		for (const args of [[], ['--force']]) {
			const run = await decrypt(directory, ['--cipher-private-key', other, ...args, 'a_*']);
			assert.equal(run.code, args.length === 0 ? 1 : 16, run.stderr);
			assert.equal(readFileSync(plain, 'utf8'), 'precious');
			const pass = await decrypt(directory, ['--cipher-pass', 'wrong', ...args, 'b_*']);
			assert.equal(pass.code, 16, pass.stderr);
			assert.match(pass.stderr, /HINT: /);
		}
		assert.deepEqual(
			filesIn(directory).filter(name => name.includes('.part')),
			[],
		);
	});

	test('an existing file, unless --force is given', async () => {
		const directory = await directoryWithDumps();
		const plain = join(directory, `a_${time}.dump`);
		writeFileSync(plain, 'precious');
		const run = await decrypt(directory, [...withKey(), 'a_*']);
		assert.equal(run.code, 1, run.stderr);
		assert.match(run.stderr, /a_.*\.dump exists/);
		assert.match(run.stderr, /HINT: use --force/);
		assert.equal(readFileSync(plain, 'utf8'), 'precious');
		assert.equal((await decrypt(directory, [...withKey(), '--force', 'a_*'])).code, 0);
		assert.equal(readFileSync(plain, 'utf8'), 'dump of a');
	});

	test('damaged, cut, trailing, empty and foreign files, exit 17: all are listed, the good ones are decrypted, nothing is left of the bad', async () => {
		const whole = await sealed('x'.repeat(70_000));
		const damaged: Record<string, Uint8Array> = {
			flipped: whole.with(whole.length - 100, (whole.at(-100) ?? 0) ^ 1),
			cut: whole.subarray(0, whole.length - 1),
			half: whole.subarray(0, 60_000),
			header: whole.subarray(0, 40),
			trailing: Buffer.concat([whole, Buffer.from('x')]),
			empty: new Uint8Array(),
			foreign: Buffer.from('PGDMP and more of it'),
		};
		const directory = await directoryWithDumps();
		for (const [name, bytes] of Object.entries(damaged))
			writeFileSync(join(directory, `${name}_${time}.dump.age`), bytes);
		const run = await decrypt(directory, withKey());
		assert.equal(run.code, 17, run.stderr);
		for (const name of Object.keys(damaged)) {
			assert.match(run.stderr, new RegExp(`ERROR: .*${name}_`), name);
			assert.ok(!filesIn(directory).includes(`${name}_${time}.dump`), name);
		}
		assert.ok(filesIn(directory).includes(`a_${time}.dump`));
		assert.deepEqual(
			filesIn(directory).filter(name => name.includes('.part')),
			[],
		);
	});

	test('links: what they point to is not read, what they would be written to is not followed', async () => {
		const directory = await directoryWithDumps();
		const elsewhere = join(scratchDirectory('elsewhere'), 'victim');
		writeFileSync(elsewhere, 'precious');
		symlinkSync(elsewhere, join(directory, `a_${time}.dump`));
		assert.equal((await decrypt(directory, [...withKey(), 'a_*'])).code, 1);
		assert.equal((await decrypt(directory, [...withKey(), '--force', 'a_*'])).code, 0);
		assert.equal(readFileSync(elsewhere, 'utf8'), 'precious');
		assert.equal(readFileSync(join(directory, `a_${time}.dump`), 'utf8'), 'dump of a');
	});

	test('no key, a bad one, both kinds: before any work', async () => {
		const directory = await directoryWithDumps();
		for (const args of [
			[],
			['--cipher-private-key', 'AGE-SECRET-KEY-1NOPE'],
			[...withKey(), '--cipher-pass', 'x'],
			['--encrypt', ...withKey()],
		]) {
			const run = await decrypt(directory, args);
			assert.ok(run.code === 2 || run.code === 10, `${args.join(' ')}: ${run.code}\n${run.stderr}`);
			assert.ok(!run.stderr.includes('NOPE'), 'no secret in an error');
		}
		assert.equal(filesIn(directory).filter(name => !name.endsWith('.age')).length, 2);
	});
});

const age = findTool('age');
test('age(1) reads what we would, and we what it writes', {skip: age === undefined && 'age is not there'}, async () => {
	const directory = scratchDirectory('decrypt');
	writeFileSync(join(directory, 'plain'), 'by the age program');
	execFileSync(age!, ['-r', keys.recipient, '-o', join(directory, `a_${time}.dump.age`), join(directory, 'plain')]);
	execFileSync(age!, [
		'-a',
		'-r',
		keys.recipient,
		'-o',
		join(directory, `b_${time}.dump.age`),
		join(directory, 'plain'),
	]);
	const run = await decrypt(directory, withKey());
	assert.equal(run.code, 0, run.stderr);
	for (const name of ['a', 'b'])
		assert.equal(readFileSync(join(directory, `${name}_${time}.dump`), 'utf8'), 'by the age program');
});
