import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {after, test} from 'node:test';
import {parseRecipients} from '../../source/stages/age/recipients.js';
import type {ArtifactOptions, OutputSettings} from '../../source/stages/artifact.js';
import {discardAll} from '../../source/stages/artifact.js';
import {dumpToDirectory} from '../../source/stages/dump-directory.js';
import {needsStrace, traced} from '../helpers/strace.js';
import {decryptAll, identityKeys, newPair} from './age/helpers.js';

const base = mkdtempSync(join(tmpdir(), 'pgb-directory-'));
after(() => rmSync(base, {recursive: true}));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** `script` is what stands in for pg_dump; $1 is the directory that it fills. */
async function dump(script: string, settings: Partial<OutputSettings> = {}, signal = new AbortController().signal) {
	const place = mkdtempSync(join(base, 'x-'));
	const options: ArtifactOptions = {
		plainPath: join(place, 'x.d'),
		role: 'dump',
		settings: {run: 'abc123', mode: 0o640, extraAlgorithms: ['sha256'], keepSource: false, ...settings},
		signal,
	};
	const command = (directory: string) => ({
		command: 'sh',
		args: ['-c', script, 'sh', directory],
		env: {PATH: process.env['PATH']},
		inherit: [],
		what: 'the dump',
		onLine: () => undefined,
		onStart: () => undefined,
	});
	return {place, result: dumpToDirectory(command, options)};
}

test('members, their digests and modes; nothing under a final name yet', async () => {
	const {place, result} = await dump('echo toc >$1/toc.dat; mkdir $1/sub; echo one >$1/sub/1.dat');
	const written = await result;
	assert.deepEqual(
		written.contents.map(({name, plainSize}) => [name, plainSize]),
		[
			['x.d/sub/1.dat', 4],
			['x.d/toc.dat', 4],
		],
	);
	const [partial = ''] = readdirSync(place);
	assert.match(partial, /^\.pg_back-abc123-/);
	assert.equal(statSync(join(place, partial)).mode & 0o777, 0o750);
	assert.equal(statSync(join(place, partial, 'sub/1.dat')).mode & 0o777, 0o640);
	assert.equal(readFileSync(join(place, partial, 'toc.dat'), 'utf8'), 'toc\n');
	await discardAll([written]);
	assert.deepEqual(readdirSync(place), []);
});

for (const [what, script, message] of [
	['fails', 'echo x >$1/toc.dat; echo why >&2; exit 3', /the dump: exit status 3: why/],
	['forgets its table of contents', 'echo x >$1/1.dat', /no table of contents/],
	['is killed', 'kill -9 $$', /SIGKILL/],
] as const) {
	test(`nothing is left of one that ${what}`, async () => {
		const {place, result} = await dump(script);
		await assert.rejects(result, message);
		assert.deepEqual(readdirSync(place), []);
	});
}

test('is ended by the signal, and leaves nothing', async () => {
	const abort = new AbortController();
	const {place, result} = await dump('echo x >$1/toc.dat; exec sleep 100', {}, abort.signal);
	const failed = assert.rejects(result, /stop/);
	abort.abort(new Error('stop'));
	await failed;
	assert.deepEqual(readdirSync(place), []);
});

test('small and large members are encrypted, each with a key of its own; keep_source keeps them', async () => {
	const {identity, recipient} = await newPair();
	const script = `mkdir $1/sub; for i in 1 2 3 4 5 6 7 8 9; do echo $i >$1/sub/$i.dat; done; : >$1/empty.dat
		head -c 262144 /dev/zero >$1/limit.dat; head -c 262145 /dev/zero >$1/large.dat; echo toc >$1/toc.dat`;
	for (const keepSource of [false, true]) {
		const {place, result} = await dump(script, {
			encryption: parseRecipients([recipient]),
			algorithm: 'sha256',
			keepSource,
		});
		const written = await result;
		const [partial = ''] = readdirSync(place);
		assert.equal(written.contents.length, 13);
		const headers = new Set<string>();
		for (const {name, plainSize, plainDigests, cipherSize, cipherDigests} of written.contents) {
			const path = join(place, partial, name.slice('x.d/'.length));
			const cipher = readFileSync(`${path}.age`);
			const plain = await decryptAll(cipher, identityKeys(identity));
			assert.deepEqual([plain.length, cipher.length], [plainSize, cipherSize], name);
			assert.deepEqual([sha256(plain), sha256(cipher)], [plainDigests.sha256, cipherDigests?.sha256], name);
			assert.equal(statSync(`${path}.age`).mode & 0o777, 0o640);
			assert.equal(existsSync(path), keepSource, name);
			headers.add(cipher.subarray(0, 80).toString('latin1'));
		}
		assert.equal(headers.size, 13);
		await discardAll([written]);
		assert.deepEqual(readdirSync(place), []);
	}
});

test('hundreds of small members keep their order, sizes and checksums', async () => {
	const script = `for i in $(seq 300); do echo $i >$1/blob_$i.dat; done; : >$1/empty.dat
		head -c 262144 /dev/zero >$1/limit.dat; head -c 262145 /dev/zero >$1/large.dat; echo toc >$1/toc.dat`;
	const {place, result} = await dump(script);
	const written = await result;
	const [partial = ''] = readdirSync(place);
	const names = written.contents.map(({name}) => name);
	assert.deepEqual(names, names.toSorted());
	assert.equal(names.length, 304);
	for (const {name, plainSize, plainDigests, cipherSize} of written.contents) {
		const path = join(place, partial, name.slice('x.d/'.length));
		const bytes = readFileSync(path);
		assert.deepEqual([plainSize, plainDigests.sha256, cipherSize], [bytes.length, sha256(bytes), undefined], name);
		assert.equal(statSync(path).mode & 0o777, 0o640);
	}
});

test('a name that is taken among hundreds of members fails the dump, which leaves nothing', async () => {
	const {recipient} = await newPair();
	const script = 'for i in $(seq 100); do echo $i >$1/$i.dat; done; mkdir $1/77.dat.age; echo toc >$1/toc.dat';
	const {place, result} = await dump(script, {encryption: parseRecipients([recipient])});
	await assert.rejects(result, (error: NodeJS.ErrnoException) => {
		assert.equal(error.code, 'EEXIST');
		assert.match(error.path ?? '', /77\.dat\.age$/);
		return true;
	});
	assert.deepEqual(readdirSync(place), []);
});

test('the abort of a dump of many members ends its worker, and leaves nothing', async () => {
	const {recipient} = await newPair();
	const abort = new AbortController();
	const script = 'for i in $(seq 2000); do echo $i >$1/$i.dat; done; echo toc >$1/toc.dat; exec sleep 100';
	const {place, result} = await dump(script, {encryption: parseRecipients([recipient])}, abort.signal);
	const failed = assert.rejects(result, /stop/);
	const isStarted = () => readdirSync(place, {recursive: true}).some(name => String(name).endsWith('.age'));
	while (!isStarted()) await new Promise(resolve => setTimeout(resolve, 5));
	abort.abort(new Error('stop'));
	await failed;
	assert.deepEqual(readdirSync(place), []);
});

test('every member is flushed before the dump counts as written', needsStrace, async () => {
	const place = mkdtempSync(join(base, 'x-'));
	const trace = join(place, 'trace');
	for (const more of [
		'',
		`encryption: {recipients: [${JSON.stringify((await newPair()).recipient)}], postQuantum: false},`,
	]) {
		const script = `
			const {dumpToDirectory} = await import(${JSON.stringify(join(import.meta.dirname, '../../source/stages/dump-directory.ts'))});
			const settings = {run: 'abc123', mode: 0o600, extraAlgorithms: ['sha256'], keepSource: false, ${more}};
			const command = directory => ({command: 'sh', args: ['-c', 'for i in $(seq 20); do echo $i >$1/$i.dat; done; echo toc >$1/toc.dat', 'sh', directory],
				env: {PATH: process.env.PATH}, inherit: [], what: 'the dump', onLine() {}, onStart() {}});
			await dumpToDirectory(command, {plainPath: ${JSON.stringify(join(place, 'x.d'))}, role: 'dump', settings, signal: new AbortController().signal});`;
		const [program = '', ...args] = traced(trace, 'fsync', {paths: true, length: 300});
		// A file, because a thread cannot be started from a program without one.
		const file = join(place, 'dump.mjs');
		writeFileSync(file, script);
		execFileSync(program, [...args, process.execPath, '--import', import.meta.resolve('tsx'), file]);
		const flushed = [...readFileSync(trace, 'utf8').matchAll(/fsync\(\d+<([^>]*)>/g)].map(([, path = '']) =>
			basename(path),
		);
		const suffix = more === '' ? '' : '.age';
		for (const name of [...Array.from({length: 20}, (_, index) => index + 1), 'toc'])
			assert.ok(flushed.includes(`${name}.dat${suffix}`), `${name}.dat${suffix} of ${flushed.join(' ')}`);
		assert.match(flushed.at(-1) ?? '', /^\.pg_back-abc123-/, 'the directory last');
	}
});
