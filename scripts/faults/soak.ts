/**
 * R19: long-running work, of which memory and open files must not grow: many runs in one process, one run of many
 * databases, one of many bytes.
 */
import {readdirSync, readFileSync} from 'node:fs';
import {setTimeout as delay} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {configFile, s3Settings} from '../../test/e2e/remote-places.js';
import {type Cluster, startCluster} from '../../test/helpers/cluster.js';
import {connectTo, newAgeKeys, scratchDirectory, startProgram} from '../../test/helpers/program.js';
import {startS3Server} from '../../test/helpers/s3-server.js';
import {median} from '../bench/statistics.js';
import {type Figure, lastLines} from './sweep.js';

type Look = {readonly mebibytes: number; readonly descriptors: number};

const limits = {mebibytes: 250, growth: 1.05, kibibytesEach: 8};
/** Fraction of a run after which the start-up has settled (the goal says from the 100th of 2,000 on). */
const settled = 0.05;

/**
 * Makes `count` runs in one process, encrypted and purged, as in a console that stays open. Its source is compiled at
 * run time, which counts as its memory.
 */
export async function runsSoak(count: number): Promise<Figure> {
	const server = await startCluster({name: 'soak'});
	try {
		await createDatabases(server, 2, 'template1');
		const args = [
			...[...connectTo(server, scratchDirectory('soak')), '-q', '--purge-older-than', '0'],
			...['--encrypt', '--cipher-public-key', (await newAgeKeys()).recipient],
		];
		const script = fileURLToPath(new URL('soak-runs.ts', import.meta.url));
		const wrapper = [process.execPath, '--import', import.meta.resolve('tsx'), script, String(count)];
		return {
			goal: 'R19',
			what: 'growth over many runs of one process',
			total: count,
			...(await watched(args, {wrapper})),
		};
	} finally {
		await server.stop();
	}
}

/** One run of `count` small databases. */
export async function manySoak(count: number): Promise<Figure> {
	const server = await startCluster({name: 'soak', settings: {max_connections: '60'}});
	try {
		await createDatabases(server, count, 'template1');
		const args = [...connectTo(server, scratchDirectory('soak')), '-q', '--dump-only', '-j', '4'];
		return {goal: 'R19', what: 'one run of many databases', total: count, ...(await watched(args, {databases: count}))};
	} finally {
		await server.stop();
	}
}

const rowBytes = 10 * 1024 * 1024;
const databaseBytes = 100 * rowBytes;

/**
 * Makes one run that encrypts `gigabytes` of dumps and uploads them to an S3 server that discards them. The data is
 * compressed by the server and takes little space there.
 */
export async function streamSoak(gigabytes: number): Promise<Figure> {
	const server = await startCluster({name: 'soak'});
	const store = await startS3Server({forget: true});
	const directory = scratchDirectory('soak');
	try {
		await server.psql('postgres', 'create database source is_template true');
		await server.psql(
			'source',
			`create table t as select repeat(md5('x'), ${rowBytes / 32}) as text from generate_series(1, ${databaseBytes / rowBytes})`,
		);
		const count = Math.ceil((gigabytes * 1e9) / databaseBytes);
		await createDatabases(server, count, 'source');
		const args = [
			...['-c', configFile(s3Settings(store.url)), ...connectTo(server, directory).slice(1)],
			...['-q', '-j', '2', '-Z', '0', '--upload', 's3', '--delete-uploaded', 'yes'],
			...['--encrypt', '--cipher-public-key', (await newAgeKeys()).recipient],
		];
		return {goal: 'R19', what: `growth over one run of ${gigabytes} GB`, total: count, ...(await watched(args))};
	} finally {
		await store.close();
		await server.stop();
	}
}

async function createDatabases(server: Cluster, count: number, template: string): Promise<void> {
	const statements = Array.from({length: count}, (_, index) => `create database soak_${index} template ${template}`);
	for (let at = 0; at < count; at += 100) await server.psql('postgres', statements.slice(at, at + 100).join(';\n'));
}

/** `databases`: for each of them a run keeps its manifest entry in memory, of this many KiB. */
async function watched(
	args: readonly string[],
	{wrapper = [], databases}: {readonly wrapper?: readonly string[]; readonly databases?: number} = {},
): Promise<Pick<Figure, 'violations' | 'notes'>> {
	const violations: string[] = [];
	const started = performance.now();
	const running = await startProgram(args, {wrapper});
	const all: Look[] = [];
	while (running.child.exitCode === null && running.child.signalCode === null) {
		const look = lookAt(running.child.pid ?? 0);
		if (look) all.push(look);
		await delay(100);
	}
	const {code, stderr} = await running.ended;
	if (code !== 0) violations.push(`exit status ${code}: ${lastLines(stderr)}`);
	const looks = all.slice(Math.ceil(all.length * settled));
	const [early, late] = [looks.slice(0, looks.length / 4), looks.slice((looks.length * 3) / 4)];
	const usual = (some: readonly Look[], what: keyof Look) => median(some.map(look => look[what]));
	const peak = Math.max(...all.map(look => look.mebibytes));
	const growth = usual(late, 'mebibytes') / usual(early, 'mebibytes');
	if (peak > limits.mebibytes) violations.push(`${peak.toFixed(0)} MiB at the most`);
	const notes: Record<string, number | string> = {'MiB at the most': Math.round(peak), growth: growth.toFixed(3)};
	if (databases === undefined) {
		if (growth > limits.growth) violations.push(`memory grew to ${growth.toFixed(3)} times`);
	} else {
		const between = databases * (1 - settled) * 0.75; // from the middle of one quarter to that of the other
		const each = ((usual(late, 'mebibytes') - usual(early, 'mebibytes')) * 1024) / between;
		if (each > limits.kibibytesEach) violations.push(`${each.toFixed(1)} KiB for each database`);
		notes['KiB for each database'] = each.toFixed(1);
	}
	if (usual(late, 'descriptors') > usual(early, 'descriptors') * limits.growth + 1)
		violations.push(`open files grew from ${usual(early, 'descriptors')} to ${usual(late, 'descriptors')}`);
	return {
		violations,
		notes: {
			...notes,
			'open files at the most': Math.max(...all.map(look => look.descriptors)),
			seconds: Math.round((performance.now() - started) / 1000),
		},
	};
}

/** Undefined: it has just exited. */
function lookAt(pid: number): Look | undefined {
	try {
		const kibibytes = Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
		const descriptors = readdirSync(`/proc/${pid}/fd`).length;
		return Number.isNaN(kibibytes) ? undefined : {mebibytes: kibibytes / 1024, descriptors};
	} catch {
		return undefined;
	}
}
