/**
 * R6 and R7: connections, responses and services that break at random, on four kinds of remote: checks what is stored
 * afterwards, and what is reported.
 */
import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {configFile, placeKinds, runWithin} from '../../test/e2e/remote-places.js';
import {connectTo, type Ended, type RunOptions, scratchDirectory} from '../../test/helpers/program.js';
import {recordingTools} from '../../test/helpers/recorder.js';
import {type Broken, brokenByProxy, brokenS3} from './broken-places.js';
import {lyingAzure, lyingGcs, lyingSftp} from './lying-places.js';
import {type Bench, type Figure, lastLines, randomSource} from './sweep.js';

/** A dump with known bytes: the biggest takes several parts. */
type Dump = {readonly bytes: Buffer; readonly tools: string};

/** How each store is broken, in turn. */
const breakers: Readonly<
	Record<'s3' | 'sftp' | 'gcs' | 'azure', readonly ((random: () => number) => Promise<Broken>)[]>
> = {
	s3: [brokenS3],
	sftp: [random => brokenByProxy('sftp', random), lyingSftp],
	gcs: [random => brokenByProxy('gcs', random), lyingGcs],
	azure: [random => brokenByProxy('azure', random), lyingAzure],
};

const timeout = 1;
let runs = 0;
/** Seconds in which a run must end, whatever its remote does: three attempts of two uploads, with pauses. */
const longest = 60;

type Store = keyof typeof breakers;

export type RemoteSweepOptions = {
	readonly seed?: number;
	readonly stores?: readonly Store[];
	/** Wraps the program: the tests of this sweep's judges break the program with it. */
	readonly sabotage?: readonly string[];
};

/** Makes `count` runs; a place is used for 25 and then replaced. */
export async function remoteSweep(
	bench: Bench,
	count: number,
	{seed = 11, stores = Object.keys(breakers) as readonly Store[], sabotage = []}: RemoteSweepOptions = {},
): Promise<Figure> {
	const violations: string[] = [];
	const notes: Record<string, number> = {
		'shipped nevertheless': 0,
		'failed as it should': 0,
		'keys that stay blocked by a damaged object, with an error': 0,
		'seconds of the longest': 0,
	};
	const dumps = [2000, 300_000, 7 << 20, 12 << 20].map(makeDump);
	const usable = stores.filter(store => placeKinds.find(kind => kind.store === store)?.missing === undefined);
	const shares = usable.map((_, index) => Math.floor(count / usable.length) + (index < count % usable.length ? 1 : 0));
	await Promise.all(
		usable.map(async (store, index) => {
			const random = randomSource(seed + index);
			const ways = breakers[store];
			for (let done = 0, round = 0, share = shares[index] ?? 0; done < share; round++) {
				const runs = Math.min(25, share - done, Math.ceil(share / ways.length));
				const broken = await ways[round % ways.length]!(random);
				try {
					for (let run = 0; run < runs; run++) {
						const dump = dumps[Math.floor(random() * dumps.length)] ?? makeDump(1);
						violations.push(...(await oneRun({bench, broken, dump, random, notes, sabotage})));
					}
				} finally {
					await broken.stop();
				}
				done += runs;
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

type Round = {
	readonly bench: Bench;
	readonly broken: Broken;
	readonly dump: Dump;
	readonly random: () => number;
	readonly notes: Record<string, number>;
	readonly sabotage: readonly string[];
};

async function oneRun({bench, broken, dump, random, notes, sabotage}: Round): Promise<string[]> {
	const {place, settings, env, breakSomething, keepsDamage, lies, mend} = broken;
	const directory = scratchDirectory('broken');
	// Two runs of the same second use the same names.
	const prefix = `run${++runs}`;
	const encrypted = random() < 0.5;
	const [, ...connection] = connectTo(bench.server, directory);
	const lines = [
		...settings,
		...[`upload = ${place.store}`, 's3_part_size = 5M'],
		...['delete_uploaded = yes', 'checksum_algorithm = none', `upload_prefix = ${prefix}`],
		...(encrypted ? ['encrypt = true', `cipher_public_key = ${bench.recipient}`] : []),
	];
	const what = `${place.store}, ${dump.bytes.length} bytes${encrypted ? ', encrypted' : ''}: ${breakSomething(dump.bytes.length)}`;
	const problems: string[] = [];
	const say = (text: string) => problems.push(`${what}: ${text}`);
	const args = (patience: readonly string[]) => ['-c', configFile([...lines, ...patience]), ...connection];
	const hasty = [`remote_timeout = ${timeout}`, 'remote_retry = 2'];
	const started = performance.now();
	const {code, stderr} = await ended([...args(hasty), '--dump-only', '-B', dump.tools, 'postgres'], {
		env,
		wrapper: sabotage,
	});
	notes['seconds of the longest'] = Math.max(
		notes['seconds of the longest'] ?? 0,
		Math.round((performance.now() - started) / 1000),
	);
	notes[code === 0 ? 'shipped nevertheless' : 'failed as it should']!++;
	if (code !== 0 && code !== 14) say(`exit status ${code}: ${lastLines(stderr)}`);
	const isWhole = (bytes: Buffer): boolean =>
		(encrypted ? decrypted(bytes, bench.identity) : bytes)?.equals(dump.bytes) ?? false;
	const staysForGood = keepsDamage?.() ?? false;
	/** Damaged objects that stay, as they could not be looked at or removed: each run tells of them, and never succeeds. */
	const damaged = {stays: false};
	const judge = async (when: string, mustBeThere: boolean, said: string, mayStay: boolean): Promise<void> => {
		const keys = (await place.keys()).filter(key => key.startsWith(`${prefix}/postgres_`));
		damaged.stays = false;
		for (const key of keys) {
			if (isWhole(await place.read(key))) continue;
			if (mayStay && !mustBeThere && said.includes(key)) damaged.stays = true;
			else say(`${when}: ${key} is to be seen and not whole`);
		}
		const here = readdirSync(directory).filter(name => /^postgres_.*(dump|age)$/.test(name));
		for (const name of here)
			if (!isWhole(readFileSync(join(directory, name)))) say(`${when}: ${name} is here and not whole`);
		if (damaged.stays && here.length === 0) say(`${when}: a damaged object, and no local file`);
		if (here.length + keys.length === 0) say(`${when}: the dump is nowhere`);
		if (mustBeThere && keys.length === 0) say(`${when}: exit status 0, and nothing is there`);
	};
	await judge('after the run', code === 0, stderr, lies === true || staysForGood);
	mend();
	// Nothing is broken any more: a busy host may need more time.
	const calm = ['remote_timeout = 20', 'remote_retry = 40'];
	const next = await ended([...args(calm), '--resume-uploads'], {env, wrapper: sabotage});
	if (next.code !== 0 && !(damaged.stays && next.code === 14))
		say(`the next run: exit status ${next.code}: ${lastLines(next.stderr)}`);
	await judge('after the next run', next.code === 0, next.stderr, damaged.stays || staysForGood);
	if (damaged.stays && next.code !== 0) notes['keys that stay blocked by a damaged object, with an error']!++;
	const left = readdirSync(directory).filter(
		name => /^\.pg_back-.*(part|json)$/.test(name) && name !== '.pg_back-history.json',
	);
	if (left.length > 0 && !damaged.stays) say(`left behind: ${left.join(', ')}`);
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

/** A run that does not end is a finding, not the end of the sweep. */
async function ended(
	args: readonly string[],
	options: RunOptions,
): Promise<Pick<Ended, 'stderr'> & {readonly code: number | string | null}> {
	try {
		return await runWithin(args, options, longest);
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
