/**
 * Compares S3 uploads with `@aws-sdk/lib-storage` and, if installed, rclone, in turn, against a server in another
 * process that discards bodies; then lists a million keys. Prints medians and missed targets.
 *
 * node --import tsx scripts/bench/remote.ts [--size MIB=1024] [--rounds N=5] [--part MIB=8] [--keys N=1000000]
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {randomFillSync} from 'node:crypto';
import {once} from 'node:events';
import {mkdtemp, open, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {parseArgs} from 'node:util';
import {findTool} from '../../test/helpers/tools.js';
import {bundle, type Measure, measureClient, measureCommand} from './measured.js';
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

const scratch = await mkdtemp(join(tmpdir(), 'pgb-bench-'));
const missed: string[] = [];
try {
	const [client, server] = await Promise.all([
		bundle(join(import.meta.dirname, 'remote-client.ts'), scratch),
		bundle(join(import.meta.dirname, 'remote-server.ts'), scratch),
	]);
	const file = join(scratch, 'dump');
	await makeFile(file);
	const running = await startServer(server, 0);
	const run = async (mode: string): Promise<Measure> =>
		measureClient(client, [mode, running.url, file, String(partSize)]);
	const rclone = findTool('rclone');
	if (rclone === undefined) console.log('no rclone (Debian package rclone): nothing to compare with');
	const all: Record<string, Measure[]> = {};
	for (let round = 0; round < rounds; round++) {
		for (const mode of ['lib-storage', 'ours', 'ours-stream']) (all[mode] ??= []).push(await run(mode));
		if (rclone !== undefined) (all['rclone'] ??= []).push(await withRclone(rclone, running.url, file));
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
		if (mode.startsWith('ours') && peak >= 200)
			missed.push(`peak memory of ${mode} ${peak.toFixed(0)} MiB, aim under 200`);
	}
	const ratio = middle('lib-storage', 'seconds') / middle('ours', 'seconds');
	console.log(`  ours is ${ratio.toFixed(2)} times as fast as lib-storage`);
	if (rclone !== undefined) {
		const beside = middle('rclone', 'seconds') / middle('ours', 'seconds');
		console.log(`  ours is ${beside.toFixed(2)} times as fast as rclone (its start included)`);
	}
	if (ratio < 1.5) missed.push(`upload ${ratio.toFixed(2)} times lib-storage, aim 1.5`);

	const lister = await startServer(server, keys);
	const listing = await measureClient(client, ['list', lister.url]);
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

/**
 * With the same parts and concurrency, and without requests for the bucket or other objects; rclone always computes an
 * MD5 of the file first.
 */
function withRclone(rclone: string, url: string, file: string): Promise<Measure> {
	return measureCommand(
		rclone,
		[
			...[
				'copyto',
				file,
				'bench:bucket/rclone',
				'--no-traverse',
				'--ignore-times',
				'--retries',
				'1',
				'--low-level-retries',
				'1',
			],
			...['--s3-chunk-size', `${values.part}M`, '--s3-upload-concurrency', '4', '--s3-no-check-bucket'],
			'--s3-use-multipart-etag=false', // a server that discards bodies has no MD5
		],
		{
			env: {
				AWS_CA_BUNDLE: '', // this rclone does not start with one
				RCLONE_CONFIG: join(scratch, 'rclone.conf'),
				RCLONE_CONFIG_BENCH_TYPE: 's3',
				RCLONE_CONFIG_BENCH_PROVIDER: 'Other',
				RCLONE_CONFIG_BENCH_ENDPOINT: url,
				RCLONE_CONFIG_BENCH_REGION: 'us-east-1',
				RCLONE_CONFIG_BENCH_ACCESS_KEY_ID: 'AKIATEST',
				RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY: 'secret/of+the=test',
			},
		},
	);
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
