import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {Decrypter} from 'age-encryption';
import fc from 'fast-check';
import {takePipe} from '../../source/process/pipes.js';
import {loadEncryptionKeys} from '../../source/stages/age/load-keys.js';
import {type ArtifactOptions, writeArtifact} from '../../source/stages/artifact.js';
import {GrowingFile} from '../../source/stages/growing-file.js';
import {hashAndEncryptInWorker} from '../../source/stages/pipeline-thread.js';
import {newAgeKeys} from '../helpers/program.js';

const base = mkdtempSync(join(tmpdir(), 'pgb-pass-'));
after(() => rmSync(base, {recursive: true}));
const {signal} = new AbortController();
const keys = await newAgeKeys();
const encryption = await loadEncryptionKeys(
	{publicKeys: [keys.recipient], recipientsFiles: [], privateKeys: [], identityFiles: []},
	{env: {}, signal, onWarning: () => undefined},
);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function options(directory: string, more: Partial<ArtifactOptions> = {}): ArtifactOptions {
	const settings = {run: 'abc123', mode: 0o600, extraAlgorithms: ['sha256' as const], keepSource: false, encryption};
	return {plainPath: join(directory, 'x.dump'), role: 'dump', settings, signal, ...more};
}

async function decrypted(path: string): Promise<Buffer> {
	const decrypter = new Decrypter();
	decrypter.addIdentity(keys.identity);
	return Buffer.from(await decrypter.decrypt(readFileSync(path)));
}

test('a file of any size, several at once: sealed, with the digests of both, every byte told', async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.array(
				fc.oneof(fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 262_144), fc.nat(600_000)),
				{
					minLength: 1,
					maxLength: 3,
				},
			),
			fc.boolean(),
			async (sizes, keepSource) => {
				await Promise.all(
					sizes.map(async size => {
						const directory = mkdtempSync(join(base, 'x-'));
						const [bytes, path] = [randomBytes(size), join(directory, 'source')];
						writeFileSync(path, bytes);
						const descriptor = openSync(path, 'r');
						let told = 0;
						const one = options(directory, {onBytes: more => (told += more)});
						const written = await writeArtifact({descriptor}, {...one, settings: {...one.settings, keepSource}});
						closeSync(descriptor);
						const [cipher, plain] = written.files;
						assert.ok(cipher);
						const [content] = written.contents;
						assert.deepEqual(await decrypted(cipher.partial), bytes);
						assert.deepEqual([content?.plainSize, content?.plainDigests.sha256, told], [size, sha256(bytes), size]);
						const sealed = readFileSync(cipher.partial);
						assert.deepEqual([content?.cipherSize, content?.cipherDigests?.sha256], [sealed.length, sha256(sealed)]);
						assert.equal(cipher.growing?.written, sealed.length);
						assert.equal(plain !== undefined, keepSource);
						if (plain) assert.deepEqual(readFileSync(plain.partial), bytes);
					}),
				);
			},
		),
		{numRuns: 15},
	);
});

test('cancelled while it waits for a pipe, or works: the reason, at once, and nothing is left', async () => {
	for (const fill of [false, true]) {
		const directory = mkdtempSync(join(base, 'x-'));
		const abort = new AbortController();
		const pipe = await takePipe({PATH: process.env['PATH']});
		const source = fill ? openSync('/dev/zero', 'r') : pipe.readable; // one without an end, one without a byte
		const passing = writeArtifact(
			{descriptor: source},
			options(directory, {
				signal: abort.signal,
				onBytes: () => abort.abort(new Error('enough')),
			}),
		);
		if (!fill) {
			writeSync(pipe.writable, Buffer.alloc(65_536));
			setImmediate(() => {
				abort.abort(new Error('enough'));
				closeSync(pipe.writable); // as the end of the child does
			});
		} else closeSync(pipe.writable);
		await assert.rejects(passing, /enough/);
		closeSync(pipe.readable);
		if (fill) closeSync(source);
		assert.deepEqual(readdirSync(directory), []);
	}
});

test('a full disk and a source that cannot be read are the system errors that they are', async () => {
	const passage = {algorithms: [], seal: undefined, cipher: undefined, signal, onBytes: () => undefined};
	const [source, again] = [openSync(import.meta.filename, 'r'), openSync(import.meta.filename, 'r')];
	const [full, only] = [openSync('/dev/full', 'w'), openSync('/dev/null', 'w')];
	const sink = {descriptor: full, path: '', finalPath: '/b/x.dump', growing: new GrowingFile('', '')};
	const nothing = {
		wrote: () => undefined,
		write: async () => undefined,
		finish: async () => ({flushed: Promise.resolve()}),
		flush: async () => undefined,
		discard: async () => undefined,
	};
	try {
		await assert.rejects(hashAndEncryptInWorker(source, {...passage, plain: {...sink, ...nothing}}), {
			code: 'ENOSPC',
			syscall: 'write',
			path: '/b/x.dump',
		});
		await assert.rejects(hashAndEncryptInWorker(only, {...passage, plain: undefined}), {
			code: 'EBADF',
			syscall: 'read',
		});
		const passed = await hashAndEncryptInWorker(again, {...passage, plain: undefined});
		assert.equal(passed.plain.size, readFileSync(import.meta.filename).length, 'another thread goes on');
	} finally {
		for (const descriptor of [source, again, full, only]) closeSync(descriptor);
	}
});
