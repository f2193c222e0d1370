/** A download that failed continues where it was: in the same process or a later one, and only in the same object. */
import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {readdirSync, readFileSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, before, beforeEach, describe, test} from 'node:test';
import {Encrypter} from 'age-encryption';
import {waitFor} from '../helpers/postgres.js';
import {type Ended, modeOf, newAgeKeys, nextSecond, scratchDirectory, startProgram} from '../helpers/program.js';
import {type S3Server, startS3Server} from '../helpers/s3-server.js';
import {sshdMissing} from '../helpers/sshd.js';
import {keys, onTerminal} from './console-terminal.js';
import {behindProxy, configFile, impatient, type Place, placeKinds, runWithin, s3Settings} from './remote-places.js';

const mebi = 1024 * 1024;
const size = 20 * mebi + 4321;
const name = 'app_2026-10-01T00:00:00Z.dump';
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const left = (directory: string) => readdirSync(directory).filter(one => one.startsWith('.pg_back-'));
const partOf = (directory: string) => join(directory, left(directory).find(one => one.endsWith('.part')) ?? 'no part');

/** An object as the S3 server holds it. */
function held(bytes: Buffer, headers: Record<string, string> = {'x-amz-meta-sha256': sha256(bytes)}) {
	const etag = createHash('md5').update(bytes).digest('hex');
	return {bytes, size: bytes.length, etag, modified: Date.UTC(2026, 9, 1), headers, version: '1'};
}

describe('a download from S3 that failed', {timeout: 300_000}, () => {
	let server: S3Server;
	let directory: string;
	let config: string;
	let bytes: Buffer;
	before(async () => {
		server = await startS3Server();
	});
	after(() => server.close());
	beforeEach(() => {
		bytes = randomBytes(size);
		directory = scratchDirectory('resume');
		config = configFile([...s3Settings(server.url), ...impatient, `backup_directory = ${directory}`]);
	});
	afterEach(() => {
		server.faults.length = 0;
		server.sent.length = 0;
		server.requests.length = 0;
		server.objects.clear();
	});

	const download = (args: readonly string[] = [name], wrapper: readonly string[] = []): Promise<Ended> =>
		runWithin(['-c', config, '--download', 's3', ...args], {wrapper});
	/** The connection is cut after so many bytes, and the service is throttled from then on. */
	const breakAfter = (after: number) => {
		server.faults.push({action: 'GetObject', do: 'cut', after});
		server.faults.push({action: 'GetObject', do: 'answer', status: 503, code: 'SlowDown', skip: 1, times: Infinity});
	};
	/** Returns the number of bytes that are there after a download that failed. */
	const failAfter = async (after: number, args?: readonly string[]): Promise<number> => {
		breakAfter(after);
		const {code, stderr} = await download(args);
		assert.equal(code, 14, stderr);
		assert.match(stderr, /kept [\d.]+ MiB of .* the next download continues there/);
		server.faults.length = 0;
		server.requests.length = 0;
		return statSync(partOf(directory)).size;
	};
	const ranges = () =>
		server.requests.filter(({action}) => action === 'GetObject').map(({headers}) => headers.range ?? 'all');
	const assertWhole = (expected = bytes) => {
		assert.equal(sha256(readFileSync(join(directory, name))), sha256(expected));
		assert.deepEqual(left(directory), [], 'nothing is left');
	};

	test('is asked for the rest alone, and what is sent is hardly more than its size', async () => {
		server.objects.set(name, held(bytes));
		const kept = await failAfter(9 * mebi);
		assert.ok(kept > 8 * mebi && kept <= 9 * mebi, String(kept));
		assert.equal(modeOf(partOf(directory)), '600');
		const {code, stderr} = await download();
		assert.equal(code, 0, stderr);
		assert.match(stderr, /continuing after [\d.]+ MiB of 20 MiB/);
		assert.deepEqual(ranges(), [`bytes=${kept}-`]);
		const sent = server.sent.reduce((sum, one) => sum + one, 0);
		assert.ok(sent <= size + mebi, `${sent} bytes were sent`);
		assertWhole();
	});

	test('starts again when the object was replaced: by another size, by the same size, in the middle', async () => {
		for (const other of [randomBytes(size - 5 * mebi), randomBytes(size)]) {
			server.objects.set(name, held(bytes));
			await failAfter(9 * mebi, ['--force', name]);
			server.objects.set(name, held(other));
			const {code, stderr} = await download(['--force', name]);
			assert.equal(code, 0, stderr);
			assert.match(stderr, /WARN: .*(was replaced at s3|the object was replaced since).*from the beginning/);
			assertWhole(other);
		}
		const other = randomBytes(size + mebi);
		server.objects.set(name, held(bytes));
		breakAfter(9 * mebi);
		const run = await startProgram(['-c', config, '--download', 's3', '--force', name]);
		await run.untilLog(/trying again/);
		server.objects.set(name, held(other));
		server.faults.length = 0;
		const {code, stderr} = await run.ended;
		assert.equal(code, 0, stderr);
		assert.match(stderr, /was replaced at s3:\/\/bucket\/: downloading it from the beginning/);
		assertWhole(other);
	});

	test('is never put together wrongly: the rest is of other bytes with the same ETag', async () => {
		server.objects.set(name, held(bytes));
		await failAfter(9 * mebi);
		const object = server.objects.get(name);
		assert.ok(object);
		const other = Buffer.from(bytes);
		other[size - 1]! ^= 1;
		server.objects.set(name, {...object, bytes: other});
		const {code, stderr} = await download();
		assert.equal(code, 17, stderr);
		assert.deepEqual(readdirSync(directory), [], 'what was received is discarded');
		server.objects.set(name, object);
		assert.equal((await download()).code, 0);
		assertWhole();
	});

	test('starts again when what was received was changed on the disk', async () => {
		server.objects.set(name, held(bytes));
		await failAfter(9 * mebi);
		const part = partOf(directory);
		const changed = readFileSync(part);
		changed[4 * mebi]! ^= 1;
		writeFileSync(part, changed);
		const {code, stderr} = await download();
		assert.equal(code, 0, stderr);
		assert.match(stderr, /WARN: .*it was changed on the disk.*from the beginning/);
		assert.deepEqual(ranges(), ['all']);
		assertWhole();
	});

	test('continues after a kill, as far as it is recorded', async () => {
		const large = randomBytes(44 * mebi);
		server.objects.set(name, held(large, {})); // without any checksum
		breakAfter(40 * mebi);
		const patient = configFile([...s3Settings(server.url), `backup_directory = ${directory}`]);
		const run = await startProgram(['-c', patient, '--download', 's3', name]);
		await run.untilLog(/trying again/);
		await waitFor(async () => statSync(partOf(directory)).size > 39 * mebi, 'the bytes before the cut');
		run.child.kill('SIGKILL');
		await run.ended;
		server.faults.length = 0;
		server.requests.length = 0;
		const {code, stderr} = await download();
		assert.equal(code, 0, stderr);
		const [range = ''] = ranges();
		const from = Number(/^bytes=(\d+)-$/.exec(range)?.[1]);
		assert.ok(from >= 32 * mebi && from <= 40 * mebi, range);
		assertWhole(large);
	});

	test('continues after SIGTERM', async () => {
		server.objects.set(name, held(bytes));
		breakAfter(9 * mebi);
		const patient = configFile([...s3Settings(server.url), `backup_directory = ${directory}`]);
		const run = await startProgram(['-c', patient, '--download', 's3', name]);
		await run.untilLog(/trying again/);
		run.child.kill('SIGTERM');
		assert.equal((await run.ended).code, 143);
		server.faults.length = 0;
		server.requests.length = 0;
		assert.equal((await download()).code, 0);
		assert.match(ranges()[0] ?? '', /^bytes=[89]\d{6}-$/);
		assertWhole();
	});

	test('continues after a full disk', async () => {
		server.objects.set(name, held(bytes));
		// The shell's unit is 1,024 bytes; Node.js gets EFBIG instead of the signal.
		const {code, stderr} = await download([name], ['bash', '-c', `ulimit -f ${9 * 1024}; exec "$@"`, 'bash']);
		assert.equal(code, 1, stderr);
		assert.match(stderr, /kept [89]\.\d MiB/);
		server.requests.length = 0;
		const again = await download();
		assert.equal(again.code, 0, again.stderr);
		assert.match(ranges()[0] ?? '', /^bytes=[89]\d{6}-$/);
		assertWhole();
	});

	test('and is decrypted on the way is decrypted again from what is there', async () => {
		const {identity, recipient} = await newAgeKeys();
		const encrypter = new Encrypter();
		encrypter.addRecipient(recipient);
		const encrypted = Buffer.from(await encrypter.encrypt(bytes));
		server.objects.set(`${name}.age`, held(encrypted));
		const identityFile = join(scratchDirectory('keys'), 'id.txt');
		writeFileSync(identityFile, `${identity}\n`, {mode: 0o600});
		const args = ['--decrypt', '--cipher-identity-file', identityFile, `${name}.age`];
		const kept = await failAfter(9 * mebi, args);
		assert.deepEqual(left(directory).length, 2, 'the encrypted part and its record');
		const {code, stderr} = await download(args);
		assert.equal(code, 0, stderr);
		assert.deepEqual(ranges(), [`bytes=${kept}-`]);
		assertWhole();
		assert.equal(sha256(readFileSync(join(directory, `${name}.age`))), sha256(encrypted));
	});

	test('is removed after a week by the next run in the directory', async () => {
		server.objects.set(name, held(bytes));
		await failAfter(9 * mebi);
		const old = new Date(Date.now() - 8 * 24 * 3600_000);
		for (const one of left(directory)) utimesSync(join(directory, one), old, old);
		server.objects.set('other.dump', held(Buffer.from('small')));
		const {code, stderr} = await download(['other.dump']);
		assert.equal(code, 0, stderr);
		assert.match(stderr, /removed .*\.part: of a download that was interrupted more than 7 days ago/);
		assert.deepEqual(left(directory), []);
	});

	test('is resumed by r in the console, which goes on at its percentage', async () => {
		const file = 'notes.bin'; // no dump that would be read after the download
		server.objects.set(file, held(bytes));
		breakAfter(9 * mebi);
		await using screen = await onTerminal(['-c', config, '--list-remote', 's3']);
		await screen.sees('1 file');
		screen.type('ad');
		await screen.sees('Download 1 file');
		screen.type(keys.enter);
		await screen.sees('1 failed');
		const kept = statSync(partOf(directory)).size;
		server.faults.length = 0;
		server.requests.length = 0;
		screen.type('r');
		await screen.sees('all went well');
		screen.type('q');
		assert.equal(await screen.status(), 0, screen.text());
		assert.deepEqual(ranges(), [`bytes=${kept}-`]);
		assert.equal(sha256(readFileSync(join(directory, file))), sha256(bytes));
		assert.deepEqual(left(directory), []);
	});
});

describe('a download over SFTP that failed', {timeout: 300_000, skip: sshdMissing}, () => {
	let place: Place;
	before(async () => {
		const kind = placeKinds.find(({store}) => store === 'sftp');
		assert.ok(kind);
		place = await kind.start();
	});
	after(() => place.stop());

	test('continues in the same file, and starts again in one of the same size', async () => {
		const {proxy, settings, env} = await behindProxy(place);
		try {
			const directory = scratchDirectory('resume');
			const config = configFile([...settings, ...impatient, `backup_directory = ${directory}`]);
			const download = () => runWithin(['-c', config, '--download', 'sftp', '--force', name], {env});
			const bytes = randomBytes(size);
			const other = randomBytes(size);
			await place.replace(name, bytes);
			for (const expected of [bytes, other]) {
				proxy.faults.push({direction: 'down', after: 9 * mebi, do: 'reset'});
				proxy.faults.push({direction: 'down', after: 0, do: 'reset', times: Infinity});
				const failed = await download();
				assert.equal(failed.code, 14, failed.stderr);
				proxy.faults.length = 0;
				const kept = statSync(partOf(directory)).size;
				assert.ok(kept > mebi && kept < 9 * mebi, String(kept));
				if (expected === other) {
					await nextSecond(); // the resolution of its times
					await place.replace(name, other);
				}
				proxy.bytes.down = 0;
				const {code, stderr} = await download();
				assert.equal(code, 0, stderr);
				assert.equal(sha256(readFileSync(join(directory, name))), sha256(expected));
				assert.deepEqual(left(directory), []);
				if (expected === bytes) assert.ok(proxy.bytes.down < size - kept + mebi, `${proxy.bytes.down} bytes`);
				else assert.match(stderr, /was replaced at sftp:.*from the beginning/);
			}
		} finally {
			await proxy.close();
		}
	});
});
