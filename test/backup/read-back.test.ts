/** `verify = full`: what was written is read again before it has its name, encrypted or not; what cannot be read is not kept. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {generateX25519Identity, identityToRecipient} from 'age-encryption';
import {canReadBack, type ReadBack, readBackFile} from '../../source/backup/read-back.js';
import {PgBackError} from '../../source/core/errors.js';
import {once} from '../../source/lib/single-chunk.js';
import {loadDecryptionKeys} from '../../source/stages/age/load-keys.js';
import {parseRecipients} from '../../source/stages/age/recipients.js';
import {type PendingFile, writeArtifact} from '../../source/stages/artifact.js';
import {JobMeter} from '../../source/stages/meter.js';

const root = mkdtempSync(join(tmpdir(), 'pgb-readback-'));
after(() => rmSync(root, {recursive: true, force: true}));
const {signal} = new AbortController();
const tools = {pgRestore: undefined, env: {}, signal, stallTimeout: 20_000};
const whole = '--\n-- PostgreSQL database dump complete\n--\n';
const identity = await generateX25519Identity();
const encryption = parseRecipients([await identityToRecipient(identity)]);
const other = await generateX25519Identity();

const keysOf = (key: string) =>
	loadDecryptionKeys(
		{publicKeys: [], recipientsFiles: [], privateKeys: [key], identityFiles: []},
		{signal, env: {}, onWarning: () => undefined},
	);

async function written(text: string, encrypted: boolean): Promise<PendingFile> {
	const {files} = await writeArtifact(once(Buffer.from(text)), {
		plainPath: join(root, 'a_2026-01-02T03:04:05Z.sql'),
		role: 'dump',
		settings: {
			...{run: 'abcdef', mode: 0o600, extraAlgorithms: [], keepSource: false},
			...(encrypted && {encryption}),
		},
		signal,
	});
	return files[0] ?? assert.fail();
}

async function read(file: PendingFile, keys?: ReadBack['keys']): Promise<string | undefined> {
	const meter = new JobMeter('j', () => undefined);
	meter.start('verify');
	return readBackFile(file, {tools, keys}, signal, meter);
}
const isCorrupt = (error: unknown) =>
	error instanceof PgBackError &&
	error.code === 'CORRUPT' &&
	/^cannot read back what was written: /.test(error.message);

test('a plain and an encrypted dump are read to their end; without a key it says that it did not', async () => {
	assert.equal(await read(await written(whole, false)), 'read to its closing line');
	const sealed = await written(whole, true);
	assert.equal(await read(sealed, await keysOf(identity)), 'read to its closing line');
	assert.equal(await read(sealed), 'hashed, not read back (no key to decrypt with)');
});

test('truncated and changed files are found', async () => {
	await assert.rejects(read(await written(whole.slice(0, 20), false)), isCorrupt);
	const sealed = await written(whole, true);
	writeFileSync(sealed.partial, Buffer.concat([Buffer.from('age-encryption.org/v1\n'), Buffer.alloc(300)]));
	await assert.rejects(read(sealed, await keysOf(identity)), (error: unknown) => error instanceof PgBackError);
	await assert.rejects(read(await written(whole.slice(0, 20), true), await keysOf(identity)), isCorrupt);
});

test('a key of another recipient is an error, not a pass', async () => {
	await assert.rejects(read(await written(whole, true), await keysOf(other)), PgBackError);
});

test('what it says it can read is what it reads', async () => {
	const plain = await written(whole, false);
	const sealed = await written(whole, true);
	const keys = await keysOf(identity);
	assert.deepEqual(
		[
			canReadBack(plain, {tools, keys: undefined}),
			canReadBack(sealed, {tools, keys: undefined}),
			canReadBack(sealed, {tools, keys}),
			canReadBack({...sealed, directory: true}, {tools, keys}),
			canReadBack({...plain, role: 'checksum'}, {tools, keys}),
		],
		[true, false, true, false, false],
	);
	assert.equal(await read({...plain, role: 'checksum'}), undefined);
});
