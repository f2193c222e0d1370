import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, describe, test} from 'node:test';
import {Decrypter} from 'age-encryption';
import fc from 'fast-check';
import type {NewEvent} from '../../source/core/events.js';
import {loadEncryptionKeys} from '../../source/stages/age/load-keys.js';
import {
	type ArtifactOptions,
	discardAll,
	type OutputSettings,
	ownedArtifact,
	publishAll,
	writeArtifact,
} from '../../source/stages/artifact.js';
import {writeChecksums} from '../../source/stages/checksum.js';
import type {GrowingFile} from '../../source/stages/growing-file.js';
import {newAgeKeys} from '../helpers/program.js';
import {needsStrace, traced} from '../helpers/strace.js';

const base = mkdtempSync(join(tmpdir(), 'pgb-artifact-'));
after(() => rmSync(base, {recursive: true}));
const signal = new AbortController().signal;
const plain: OutputSettings = {run: 'abc123', mode: 0o600, extraAlgorithms: ['sha256'], keepSource: false};
const keys = await newAgeKeys();
const encryption = await loadEncryptionKeys(
	{publicKeys: [keys.recipient], recipientsFiles: [], privateKeys: [], identityFiles: []},
	{env: {}, signal, onWarning: () => undefined},
);

function options(
	directory: string,
	settings: OutputSettings = plain,
	more: Partial<ArtifactOptions> = {},
): ArtifactOptions {
	return {plainPath: join(directory, 'x.dump'), role: 'dump', settings, signal, ...more};
}
async function* pieces(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
	yield* all;
}
async function* failing(): AsyncGenerator<Uint8Array> {
	yield Buffer.from('some');
	throw new Error('the source broke');
}
const scratch = () => mkdtempSync(join(base, 'x-'));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
async function decrypted(path: string): Promise<Buffer> {
	const decrypter = new Decrypter();
	decrypter.addIdentity(keys.identity);
	return Buffer.from(await decrypter.decrypt(readFileSync(path)));
}

test('nothing has its final name before it is published; then exactly that', async () => {
	const directory = scratch();
	const written = await writeArtifact(pieces(Buffer.from('hello '), Buffer.from('world')), options(directory));
	assert.match(readdirSync(directory).join(' '), /^\.pg_back-abc123-\w{8}\.part$/);
	const events: NewEvent[] = [];
	await publishAll([written], 'job', event => events.push(event));
	assert.deepEqual(readdirSync(directory), ['x.dump']);
	assert.equal(readFileSync(join(directory, 'x.dump'), 'utf8'), 'hello world');
	assert.equal(statSync(join(directory, 'x.dump')).mode & 0o777, 0o600);
	const file = events.find(event => event.type === 'file.published')?.file;
	assert.deepEqual([file?.size, file?.sha256, file?.encrypted], [11, sha256(Buffer.from('hello world')), false]);
});

test('for any chunks and keys, the bytes and their checksums are the same', async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.array(fc.uint8Array({maxLength: 200_000}), {maxLength: 6}),
			fc.boolean(),
			fc.boolean(),
			async (chunks, encrypted, keepSource) => {
				const directory = scratch();
				const whole = Buffer.concat(chunks);
				const settings = {...plain, algorithm: 'sha1' as const, keepSource, ...(encrypted && {encryption})};
				const written = await writeArtifact(pieces(...chunks), options(directory, settings));
				await publishAll([written], 'job', () => undefined);
				assert.deepEqual(
					readdirSync(directory).sort(),
					encrypted ? (keepSource ? ['x.dump', 'x.dump.age'] : ['x.dump.age']) : ['x.dump'],
				);
				const [content] = written.contents;
				assert.equal(content?.plainSize, whole.length);
				assert.equal(content.plainDigests.sha256, sha256(whole));
				if (!encrypted || keepSource) assert.deepEqual(readFileSync(join(directory, 'x.dump')), whole);
				if (encrypted) {
					const path = join(directory, 'x.dump.age');
					assert.deepEqual(await decrypted(path), whole);
					assert.deepEqual(
						[content.cipherSize, content.cipherDigests?.sha256],
						[statSync(path).size, sha256(readFileSync(path))],
					);
				}
			},
		),
		{numRuns: 25},
	);
});

describe('after a failure nothing is left', () => {
	for (const settings of [plain, {...plain, encryption}, {...plain, encryption, keepSource: true}]) {
		test(`of the source, of the confirmation, of the cancellation (${settings.encryption ? 'encrypted' : 'plain'})`, async () => {
			const directory = scratch();
			await assert.rejects(writeArtifact(failing(), options(directory, settings)), /the source broke/);
			const confirm = () => Promise.reject(new Error('it had not succeeded'));
			await assert.rejects(
				writeArtifact(pieces(Buffer.from('x')), options(directory, settings, {confirm})),
				/had not succeeded/,
			);
			await assert.rejects(
				writeArtifact(
					pieces(Buffer.from('x')),
					options(directory, settings, {signal: AbortSignal.abort(new Error('stop'))}),
				),
				/stop/,
			);
			assert.deepEqual(readdirSync(directory), []);
		});
	}

	test('of the publication: all or nothing, and existing files stay', async () => {
		const directory = scratch();
		const first = await writeArtifact(pieces(Buffer.from('1')), {
			...options(directory),
			plainPath: join(directory, 'one'),
		});
		const second = await writeArtifact(pieces(Buffer.from('2')), {
			...options(directory),
			plainPath: join(directory, 'two'),
		});
		writeFileSync(join(directory, 'two'), 'precious');
		await assert.rejects(
			publishAll([first, second], 'job', () => undefined),
			{code: 'EEXIST', path: join(directory, 'two')},
		);
		assert.deepEqual(readdirSync(directory), ['two']);
		assert.equal(readFileSync(join(directory, 'two'), 'utf8'), 'precious');
		const third = await writeArtifact(pieces(Buffer.from('3')), {
			...options(directory),
			plainPath: join(directory, 'two'),
		});
		await publishAll([third], 'job', () => undefined, {replace: true});
		assert.equal(readFileSync(join(directory, 'two'), 'utf8'), '3');
	});

	test('discarding twice is no error', async () => {
		const directory = scratch();
		const written = await writeArtifact(pieces(Buffer.from('1')), options(directory));
		await discardAll([written]);
		await discardAll([written]);
		assert.deepEqual(readdirSync(directory), []);
	});
});

test('a file that another process writes is hashed as it is', async () => {
	const directory = scratch();
	const written = await ownedArtifact(
		async descriptor => void writeSync(descriptor, 'by another'),
		options(directory, {...plain, algorithm: 'sha512'}),
	);
	assert.equal(written.contents[0]?.plainDigests.sha256, sha256(Buffer.from('by another')));
	await discardAll([written]);
	await assert.rejects(
		ownedArtifact(() => Promise.reject(new Error('it failed')), options(directory)),
		/it failed/,
	);
	assert.deepEqual(readdirSync(directory), []);
});

test('a follower learns of every byte, of the end, of the failure', async () => {
	const directory = scratch();
	let file: GrowingFile | undefined;
	const written = await writeArtifact(
		pieces(Buffer.alloc(3_000_000), Buffer.from('x')),
		options(directory, plain, {onOpen: one => (file = one)}),
	);
	assert.equal(await file?.beyond(0, signal), 3_000_001);
	await publishAll([written], 'job', () => undefined);
	assert.equal(await file?.beyond(3_000_001, signal), undefined);
	assert.equal(file?.sha256, written.contents[0]?.plainDigests.sha256);
	let broken: GrowingFile | undefined;
	await assert.rejects(writeArtifact(failing(), options(directory, plain, {onOpen: one => (broken = one)})));
	await assert.rejects(async () => broken?.beyond(1e9, signal), /discarded/);
});

test('checksum files of awkward names are read by sha256sum -c', async () => {
	for (const name of ['x.dump', 'a\\b', 'line\nbreak', ' lead', '-dash', '*star']) {
		const directory = scratch();
		const settings = {...plain, algorithm: 'sha256' as const};
		const written = await writeArtifact(pieces(Buffer.from(name)), {
			...options(directory, settings),
			plainPath: join(directory, name),
		});
		const lists = await writeChecksums(written, settings, signal);
		await publishAll([written, ...lists], 'job', () => undefined);
		const list = readdirSync(directory).find(one => one.endsWith('.sha256')) ?? '';
		execFileSync('sha256sum', ['--strict', '-c', `./${list}`], {cwd: directory, stdio: 'pipe'});
	}
});

test('what could not be flushed gets no name, and nothing else of its job does', async () => {
	const directory = scratch();
	const [one, two] = await Promise.all(
		['a.dump', 'b.dump'].map(name =>
			writeArtifact(pieces(Buffer.from(name)), {...options(directory), plainPath: join(directory, name)}),
		),
	);
	assert.ok(one && two);
	const flushed = Promise.reject(new Error('EIO: i/o error, fsync'));
	flushed.catch(() => undefined);
	const broken = {...two, files: two.files.map(file => ({...file, flushed}))};
	await assert.rejects(
		publishAll([one, broken], 'x', () => undefined),
		/EIO/,
	);
	assert.deepEqual(readdirSync(directory), []);
});

test(
	'files are on the disk before any of them has its name, and the directory is flushed once',
	needsStrace,
	async () => {
		const directory = scratch();
		const trace = join(directory, 'trace');
		const script = `
		const {publishAll, writeArtifact} = await import(${JSON.stringify(join(import.meta.dirname, '../../source/stages/artifact.ts'))});
		const settings = {run: 'abc123', mode: 0o600, extraAlgorithms: [], keepSource: false};
		const write = name => writeArtifact([Buffer.from(name)], {plainPath: ${JSON.stringify(directory)} + '/' + name, role: 'dump', settings, signal: new AbortController().signal});
		await publishAll([await write('a'), await write('b')], 'x', () => undefined);`;
		const [program = '', ...args] = traced(trace, 'fsync,fdatasync,link');
		execFileSync(program, [...args, process.execPath, '--import', 'tsx', '--input-type=module', '-e', script]);
		const calls = [...readFileSync(trace, 'utf8').matchAll(/(fsync|fdatasync|link)\(/g)].map(([, call]) => call);
		assert.deepEqual(calls, ['fsync', 'fsync', 'link', 'link', 'fsync']);
	},
);
