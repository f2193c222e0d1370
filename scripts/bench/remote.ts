/**
 * S3 beside `@aws-sdk/lib-storage`, in turn, against a server in another process that reads and forgets; then a listing of a million
 * keys. Prints medians and says which aim is missed.
 *
 *     node --import tsx scripts/bench/remote.ts [--size MIB=1024] [--rounds N=5] [--part MIB=8] [--keys N=1000000]
 */
import {execFile, spawn, type ChildProcess} from 'node:child_process';
import {randomFillSync} from 'node:crypto';
import {once} from 'node:events';
import {mkdtemp, open, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {parseArgs, promisify} from 'node:util';
import {build} from 'esbuild';
import {median} from './statistics.js';

const {values} = parseArgs({
	options: {
		size: {type: 'string', default: '1024'},
		rounds: {type: 'string', default: '5'},
		part: {type: 'string', default: '8'},
		keys: {type: 'string', default: '1000000'},
	},
});
const mebi = 1024 * 1024;
const size = Number(values.size) * mebi;
const rounds = Number(values.rounds);
const partSize = Number(values.part) * mebi;
const keys = Number(values.keys);

type Measure = {readonly done: number; readonly seconds: number; readonly cpu: number; readonly memory: number};

const scratch = await mkdtemp(join(tmpdir(), 'pgb-bench-'));
const missed: string[] = [];
try {
	const [client, server] = await Promise.all([bundle('remote-client'), bundle('remote-server')]);
	const file = join(scratch, 'dump');
	await makeFile(file);
	const running = await startServer(server, 0);
	const run = async (mode: string): Promise<Measure> => measure(client, [mode, running.url, file, String(partSize)]);
	const all: Record<string, Measure[]> = {};
	for (let round = 0; round < rounds; round++) {
		for (const mode of ['lib-storage', 'ours', 'ours-stream']) (all[mode] ??= []).push(await run(mode));
	}
	running.stop();
	const middle = (mode: string, what: keyof Measure) => median((all[mode] ?? []).map(one => one[what]));
	console.log(`upload of ${values.size} MiB in parts of ${values.part} MiB, medians of ${rounds}`);
	for (const [mode, measures] of Object.entries(all)) {
		const speed = size / mebi / middle(mode, 'seconds');
		const peak = Math.max(...measures.map(one => one.memory));
		const cpu = (middle(mode, 'cpu') * 1024 * mebi) / size;
		console.log(
			`  ${mode.padEnd(12)} ${speed.toFixed(0)} MiB/s, ${cpu.toFixed(2)} s of CPU a GiB, peak memory ${peak.toFixed(0)} MiB`,
		);
		if (mode !== 'lib-storage' && peak >= 200)
			missed.push(`peak memory of ${mode} ${peak.toFixed(0)} MiB, aim under 200`);
	}
	const ratio = middle('lib-storage', 'seconds') / middle('ours', 'seconds');
	console.log(`  ours is ${ratio.toFixed(2)} times as fast as lib-storage`);
	if (ratio < 1.5) missed.push(`upload ${ratio.toFixed(2)} times lib-storage, aim 1.5`);

	const lister = await startServer(server, keys);
	const listing = await measure(client, ['list', lister.url]);
	lister.stop();
	console.log(
		`listing of ${listing.done} keys: ${listing.seconds.toFixed(1)} s, ${listing.cpu.toFixed(1)} s of CPU, peak memory ${listing.memory.toFixed(0)} MiB`,
	);
	if (listing.done !== keys) missed.push(`listing gave ${listing.done} of ${keys} keys`);
	if (listing.seconds >= 60 || listing.memory >= 256) missed.push('listing: aim under 60 s and 256 MiB');
} finally {
	await rm(scratch, {recursive: true});
}
for (const aim of missed) console.log(`MISSED: ${aim}`);
process.exitCode = missed.length > 0 ? 1 : 0;

/** As it is shipped: bundled, so that neither a loader's time nor its memory counts. */
async function bundle(name: string): Promise<string> {
	const outfile = join(scratch, `${name}.mjs`);
	await build({
		entryPoints: [new URL(`${name}.ts`, import.meta.url).pathname],
		outfile,
		bundle: true,
		format: 'esm',
		platform: 'node',
		banner: {
			js: "import {createRequire as __createRequire} from 'node:module'; const require = __createRequire(import.meta.url);",
		},
	});
	return outfile;
}

async function measure(client: string, args: readonly string[]): Promise<Measure> {
	const {stdout} = await promisify(execFile)(process.execPath, [client, ...args]);
	return JSON.parse(stdout) as Measure;
}

async function startServer(
	script: string,
	synthetic: number,
): Promise<{readonly url: string; readonly stop: () => void}> {
	const child: ChildProcess = spawn(process.execPath, [script, String(synthetic)], {
		stdio: ['pipe', 'pipe', 'inherit'],
	});
	if (!child.stdout) throw new Error('no stdout');
	const [url] = (await once(createInterface({input: child.stdout}), 'line')) as [string];
	return {url, stop: () => void child.kill()};
}

async function makeFile(path: string): Promise<void> {
	const handle = await open(path, 'w');
	const block = randomFillSync(Buffer.alloc(mebi));
	for (let at = 0; at < size; at += mebi) await handle.write(block);
	await handle.close();
}
