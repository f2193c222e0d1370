/**
 * Compares encryption and decryption of a file to /dev/null with the age program, in turn, and shows where our time is
 * spent:
 *
 * node --import tsx scripts/bench/pipeline-age.ts [MEBIBYTES=1024] [ROUNDS=5]
 *
 * Each round of ours runs in a separate process; its start (which a running pg_back has done already) is not counted.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import {createCipheriv, createSecretKey, randomBytes} from 'node:crypto';
import {type FileHandle, mkdtemp, open, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {performance} from 'node:perf_hooks';
import {fileURLToPath} from 'node:url';
import {generateX25519Identity, identityToRecipient} from 'age-encryption';
import {releaseMemory} from '../../source/lib/release.js';
import {createDecryptor} from '../../source/stages/age/decrypt.js';
import {createEncryptor} from '../../source/stages/age/encrypt.js';
import {parseIdentities, parseRecipients} from '../../source/stages/age/load-keys.js';
import {findTool} from '../setup/find.mjs';

const mebibyte = 1 << 20;
const {signal} = new AbortController();

type Step = (chunk: Uint8Array) => Uint8Array[] | Promise<Uint8Array[]>;

/** Reads, works and writes, with one read and one write ahead. */
async function pump(input: FileHandle, output: FileHandle | undefined, step: Step): Promise<void> {
	let [buffer, other] = [Buffer.allocUnsafeSlow(mebibyte), Buffer.allocUnsafeSlow(mebibyte)];
	let next = input.read(buffer, 0, mebibyte, null);
	let writing: Promise<void> | undefined;
	for (;;) {
		const {bytesRead} = await next;
		if (bytesRead === 0) break;
		const chunk = buffer.subarray(0, bytesRead);
		[buffer, other] = [other, buffer];
		next = input.read(buffer, 0, mebibyte, null);
		const pieces = await step(chunk);
		await writing;
		writing = output && pieces.length > 0 ? output.writev(pieces).then(() => releaseMemory(pieces)) : undefined;
	}
	await writing;
}

const ways: Readonly<Record<string, (keyFile: string) => Promise<Step>>> = {
	async encrypt(keyFile) {
		const [identity = ''] = parseIdentities(await readFile(keyFile, 'utf8'), keyFile);
		const encryptor = await createEncryptor(parseRecipients([await identityToRecipient(identity)]), signal);
		return chunk => encryptor.update(chunk);
	},
	async decrypt(keyFile) {
		const identities = parseIdentities(await readFile(keyFile, 'utf8'), keyFile);
		const decryptor = createDecryptor({identities, passphrases: []}, signal);
		return chunk => decryptor.push(chunk);
	},
	async read() {
		return () => [];
	},
	/** The bare cipher on one buffer, a cipher object per 64 KiB, outputs freed: the lower limit. */
	async cipher() {
		const key = createSecretKey(randomBytes(32));
		return chunk => {
			for (let start = 0; start < chunk.length; start += 65_536) {
				const cipher = createCipheriv('chacha20-poly1305', key, randomBytes(12), {authTagLength: 16});
				releaseMemory([cipher.update(chunk.subarray(start, start + 65_536))]);
				cipher.final();
			}
			return [];
		};
	},
};

/** Runs in the child: prints seconds, processor seconds and MiB of peak memory. */
async function measure(way: string, path: string, keyFile: string): Promise<void> {
	const input = await open(path);
	const output = await open('/dev/null', 'w');
	const step = await ways[way]!(keyFile);
	const before = process.cpuUsage();
	const started = performance.now();
	await pump(input, output, step);
	const seconds = (performance.now() - started) / 1000;
	const {user, system} = process.cpuUsage(before);
	await input.close();
	await output.close();
	console.log(JSON.stringify({seconds, cpu: (user + system) / 1e6, memory: process.resourceUsage().maxRSS / 1024}));
}

type Sample = {readonly seconds: number; readonly cpu?: number; readonly memory?: number};

function ours(way: string, path: string, keyFile: string): Sample {
	const script = fileURLToPath(import.meta.url);
	const text = execFileSync(process.execPath, ['--import', 'tsx', script, 'child', way, path, keyFile], {
		encoding: 'utf8',
	});
	return JSON.parse(text) as Sample;
}

function theirs(program: string, args: readonly string[]): Sample {
	const started = performance.now();
	const {status} = spawnSync(program, args, {stdio: ['ignore', 'ignore', 'inherit']});
	if (status !== 0) throw new Error(`age ended with ${status}`);
	return {seconds: (performance.now() - started) / 1000};
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function compare(mebibytes: number, rounds: number): Promise<void> {
	const age = findTool('age');
	if (!age) throw new Error('the age program is not installed');
	const directory = await mkdtemp(join(tmpdir(), 'pg_back-bench-'));
	try {
		const [plain, sealed, keyFile] = ['plain', 'sealed', 'key'].map(name => join(directory, name)) as [
			string,
			string,
			string,
		];
		const identity = await generateX25519Identity();
		const recipient = await identityToRecipient(identity);
		await writeFile(keyFile, `${identity}\n`, {mode: 0o600});
		const file = await open(plain, 'w');
		for (let index = 0; index < mebibytes; index++) await file.write(randomBytes(mebibyte));
		await file.close();
		theirs(age, ['-r', recipient, '-o', sealed, plain]);
		const variants: Readonly<Record<string, () => Sample>> = {
			'age, encrypt': () => theirs(age, ['-r', recipient, '-o', '/dev/null', plain]),
			'pg_back, encrypt': () => ours('encrypt', plain, keyFile),
			'age, decrypt': () => theirs(age, ['-d', '-i', keyFile, '-o', '/dev/null', sealed]),
			'pg_back, decrypt': () => ours('decrypt', sealed, keyFile),
			'  of which reading': () => ours('read', plain, keyFile),
			'  and the bare cipher, with reading': () => ours('cipher', plain, keyFile),
		};
		const samples = new Map<string, Sample[]>(Object.keys(variants).map(name => [name, []]));
		for (let round = 0; round < rounds; round++) {
			for (const [name, run] of Object.entries(variants)) samples.get(name)!.push(run());
		}
		console.log(
			`${mebibytes} MiB to /dev/null, median of ${rounds} rounds, node ${process.version}, age ${ageVersion(age)}`,
		);
		const speeds = new Map<string, number>();
		for (const [name, list] of samples) {
			const seconds = median(list.map(one => one.seconds));
			speeds.set(name, (mebibytes * mebibyte) / 1e6 / seconds);
			const cpu = list[0]?.cpu === undefined ? '' : `${median(list.map(one => one.cpu ?? 0)).toFixed(2)} s CPU`;
			const memory = list[0]?.memory === undefined ? '' : `${median(list.map(one => one.memory ?? 0)).toFixed(0)} MiB`;
			const speed = `${speeds.get(name)!.toFixed(0)} MB/s`;
			console.log(
				`${name.padEnd(38)}${seconds.toFixed(2).padStart(6)} s${speed.padStart(11)}${cpu.padStart(13)}${memory.padStart(9)}`,
			);
		}
		for (const [what, wanted] of [
			['encrypt', 0.6],
			['decrypt', 0.5],
		] as const) {
			const ratio = speeds.get(`pg_back, ${what}`)! / speeds.get(`age, ${what}`)!;
			console.log(
				`${what}: ${ratio.toFixed(2)} of age's throughput, at least ${wanted} wanted: ${ratio >= wanted ? 'ok' : 'MISSED'}`,
			);
		}
	} finally {
		await rm(directory, {recursive: true, force: true});
	}
}

function ageVersion(program: string): string {
	return execFileSync(program, ['--version'], {encoding: 'utf8'}).trim();
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'child') await measure(...(rest as [string, string, string]));
else await compare(Number(mode ?? 1024), Number(rest[0] ?? 5));
