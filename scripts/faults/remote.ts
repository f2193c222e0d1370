/** R6 and R7: connections and answers that break at random places, on four kinds of remote: what is there afterwards, and what is said. */
import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {behindProxy, configFile, placeKinds, runWithin, s3Place, type Place} from '../../test/e2e/remote-places.js';
import type {ProxyFault} from '../../test/helpers/fault-proxy.js';
import {connectTo, scratchDirectory, type Ended} from '../../test/helpers/program.js';
import {recordingTools} from '../../test/helpers/recorder.js';
import type {S3Fault} from '../../test/helpers/s3-requests.js';
import {startS3Server} from '../../test/helpers/s3-server.js';
import {lastLines, randomSource, type Bench, type Figure} from './sweep.js';

/** A dump whose bytes are known: the biggest takes several parts. */
type Dump = {readonly bytes: Buffer; readonly tools: string};

type Broken = {
	readonly place: Place;
	readonly settings: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** Sets faults for the next run, and says which; the dump has `size` bytes. */
	readonly breakSomething: (size: number) => string;
	readonly mend: () => void;
	readonly stop: () => Promise<void>;
};

const timeout = 1;
let runs = 0;
/** Seconds in which a run must end, whatever its remote does: three tries of two uploads, with pauses. */
const longest = 60;

/** `count` runs in all; a place serves 25 and makes room for a new one. */
export async function remoteSweep(bench: Bench, count: number, seed = 11): Promise<Figure> {
	const violations: string[] = [];
	const notes: Record<string, number> = {
		'shipped nevertheless': 0,
		'failed as it should': 0,
		'seconds of the longest': 0,
	};
	const dumps = [2000, 300_000, 7 << 20, 12 << 20].map(makeDump);
	const stores = ['s3', 'sftp', 'gcs', 'azure'] as const;
	const usable = stores.filter(store => placeKinds.find(kind => kind.store === store)?.missing === undefined);
	const shares = usable.map((_, index) => Math.floor(count / usable.length) + (index < count % usable.length ? 1 : 0));
	await Promise.all(
		usable.map(async (store, index) => {
			const random = randomSource(seed + index);
			for (let left = shares[index] ?? 0; left > 0; left -= 25) {
				const broken = store === 's3' ? await brokenS3(random) : await brokenByProxy(store, random);
				try {
					for (let run = 0; run < Math.min(25, left); run++) {
						const dump = dumps[Math.floor(random() * dumps.length)] ?? makeDump(1);
						violations.push(...(await oneRun(bench, broken, dump, random, notes)));
					}
				} finally {
					await broken.stop();
				}
			}
		}),
	);
	return {
		goal: 'R6',
		what: 'broken uploads with a false success, a local file gone unverified, something half-written to be seen, or no end',
		total: shares.reduce((sum, share) => sum + share, 0),
		violations,
		notes: {
			...notes,
			...(usable.length < stores.length && {'not there': stores.filter(one => !usable.includes(one)).join(' ')}),
		},
	};
}

async function oneRun(
	bench: Bench,
	{place, settings, env, breakSomething, mend}: Broken,
	dump: Dump,
	random: () => number,
	notes: Record<string, number>,
): Promise<string[]> {
	const directory = scratchDirectory('broken');
	// Two runs of one second want the same names.
	const prefix = `run${++runs}`;
	const encrypted = random() < 0.5;
	const [, ...connection] = connectTo(bench.server, directory);
	const lines = [
		...settings,
		...[`upload = ${place.store}`, `remote_timeout = ${timeout}`, 'remote_retry = 2', 's3_part_size = 5M'],
		...['delete_uploaded = yes', 'checksum_algorithm = none', `upload_prefix = ${prefix}`],
		...(encrypted ? ['encrypt = true', `cipher_public_key = ${bench.recipient}`] : []),
	];
	const what = `${place.store}, ${dump.bytes.length} bytes${encrypted ? ', encrypted' : ''}: ${breakSomething(dump.bytes.length)}`;
	const problems: string[] = [];
	const say = (text: string) => problems.push(`${what}: ${text}`);
	const args = ['-c', configFile(lines), ...connection];
	const started = performance.now();
	const {code, stderr} = await ended([...args, '--dump-only', '-B', dump.tools, 'postgres'], env);
	notes['seconds of the longest'] = Math.max(
		notes['seconds of the longest'] ?? 0,
		Math.round((performance.now() - started) / 1000),
	);
	notes[code === 0 ? 'shipped nevertheless' : 'failed as it should']!++;
	if (code !== 0 && code !== 14) say(`exit status ${code}: ${lastLines(stderr)}`);
	const isWhole = (bytes: Buffer): boolean =>
		(encrypted ? decrypted(bytes, bench.identity) : bytes)?.equals(dump.bytes) ?? false;
	const judge = async (when: string, mustBeThere: boolean): Promise<void> => {
		const keys = (await place.keys()).filter(key => key.startsWith(`${prefix}/postgres_`));
		for (const key of keys) if (!isWhole(await place.read(key))) say(`${when}: ${key} is to be seen and not whole`);
		const here = readdirSync(directory).filter(name => /^postgres_.*(dump|age)$/.test(name));
		for (const name of here)
			if (!isWhole(readFileSync(join(directory, name)))) say(`${when}: ${name} is here and not whole`);
		if (here.length + keys.length === 0) say(`${when}: the dump is nowhere`);
		if (mustBeThere && keys.length === 0) say(`${when}: exit status 0, and nothing is there`);
	};
	await judge('after the run', code === 0);
	mend();
	const next = await ended([...args, '--resume-uploads'], env);
	if (next.code !== 0) say(`the next run: exit status ${next.code}: ${lastLines(next.stderr)}`);
	await judge('after the next run', true);
	const left = readdirSync(directory).filter(
		name => /^\.pg_back-.*(part|json)$/.test(name) && name !== '.pg_back-history.json',
	);
	if (left.length > 0) say(`left behind: ${left.join(', ')}`);
	rmSync(directory, {recursive: true, force: true});
	return problems;
}

/** Undefined: `age` does not take it. */
function decrypted(bytes: Buffer, identity: string): Buffer | undefined {
	try {
		return execFileSync('age', ['-d', '-i', identity], {
			input: bytes,
			maxBuffer: 1 << 28,
			stdio: ['pipe', 'pipe', 'ignore'],
		});
	} catch {
		return undefined;
	}
}

/** One without an end is a finding, not the end of the sweep. */
async function ended(
	args: readonly string[],
	env: Broken['env'],
): Promise<Pick<Ended, 'stderr'> & {readonly code: number | string | null}> {
	try {
		return await runWithin(args, {env}, longest);
	} catch (error) {
		return {code: 'none', stderr: (error as Error).message};
	}
}

function makeDump(size: number): Dump {
	const directory = scratchDirectory('content');
	const [path, bytes] = [join(directory, 'bytes'), randomBytes(size)];
	writeFileSync(path, bytes);
	return {bytes, tools: recordingTools({pg_dump: `exec cat '${path}'`}).directory};
}

/** Our own server, which checks what it is sent, breaks at each request in each way; every other one is a lesser service. */
async function brokenS3(random: () => number): Promise<Broken> {
	const server = await startS3Server(random() < 0.5 ? {} : {lacks: ['checksums', 'conditions']});
	const place = s3Place(server);
	const pick = pickBy(random);
	const ways: readonly ((size: number) => S3Fault)[] = [
		() => ({do: 'answer', status: 503, code: 'SlowDown'}),
		() => ({do: 'answer', status: 500, code: 'InternalError'}),
		() => ({do: 'answer', status: 429, code: 'TooManyRequests', headers: {'retry-after': '0'}}),
		() => ({do: 'answer', status: 400, code: 'ExpiredToken'}),
		() => ({do: 'answer', status: 403, code: 'RequestTimeTooSkewed'}),
		() => ({do: 'answer', status: 403, code: 'AccessDenied'}),
		size => ({do: 'reset', after: Math.floor(random() * size)}),
		() => ({do: 'silence'}),
		() => ({do: 'stall'}),
		() => ({do: 'cut', after: Math.floor(random() * 200)}),
		() => ({do: 'lose'}),
		() => ({do: 'wrongEtag'}),
		() => ({do: 'wrongChecksum'}),
		() => ({do: 'errorIn200'}),
	];
	return {
		place,
		settings: place.settings,
		env: place.env,
		breakSomething(size) {
			for (let more = pick(1, 1, 2, 3); more > 0; more--) {
				const action = pick(
					'PutObject',
					'UploadPart',
					'UploadPart',
					'CreateMultipartUpload',
					'CompleteMultipartUpload',
					'HeadObject',
					undefined,
				);
				const fault = pick(...ways)(size);
				server.faults.push({...fault, ...(action && {action}), skip: pick(0, 0, 1, 2), times: pick(1, 1, 2, Infinity)});
			}
			return JSON.stringify(server.faults);
		},
		mend: () => void (server.faults.length = 0),
		stop: () => place.stop(),
	};
}

function pickBy(random: () => number): <T>(...from: readonly T[]) => T {
	return <T>(...from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
}

/** Any server, through a proxy. */
async function brokenByProxy(store: Place['store'], random: () => number): Promise<Broken> {
	const place = await placeKinds.find(kind => kind.store === store)!.start();
	const {proxy, settings, env} = await behindProxy(place);
	const pick = pickBy(random);
	return {
		place,
		settings,
		env,
		breakSomething(size) {
			for (let more = pick(1, 1, 2, 3); more > 0; more--) {
				const direction = pick('up', 'up', 'down');
				const after = pick(0, Math.floor(random() * 3000), direction === 'up' ? Math.floor(random() * size) : 500);
				proxy.faults.push({
					direction,
					after,
					do: pick<ProxyFault['do']>('cut', 'reset', 'stall'),
					skip: pick(0, 0, 1, 2),
					times: pick(1, 1, 2, Infinity),
				});
			}
			return JSON.stringify(proxy.faults);
		},
		mend() {
			proxy.faults.length = 0;
			proxy.resetAll();
		},
		async stop() {
			await proxy.close();
			await place.stop();
		},
	};
}
