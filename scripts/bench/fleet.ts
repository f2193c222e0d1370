/**
 * `npm run bench:fleet`: measures the view of 1,000 servers with 6,000 databases at an S3 service with a latency of 40
 * ms.
 */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import type {ServerStatus} from '../../source/fleet/status.js';
import {jsonLine} from '../../source/lib/json-line.js';
import {startFaultProxy} from '../../test/helpers/fault-proxy.js';
import {startS3Server, testCredential} from '../../test/helpers/s3-server.js';

const servers = 1000;
const databases = 6;
const limits = {seconds: 5, memory: 200};

const s3 = await startS3Server();
const proxy = await startFaultProxy({port: s3.port}, {delay: 20});
try {
	for (let index = 0; index < servers; index++) put(`fleet/status/db${index}.json`, statusOf(`db${index}`));
	const {seconds, cpu, memory, stdout} = await view();
	if (!stdout.includes(`${servers / 1000} 000 servers: 0 failed`)) throw new Error(stdout.slice(-500));
	process.stdout.write(`${proxy.connections()} connections, ${cpu.toFixed(1)} s of processor time\n`);
	report('seconds', seconds, limits.seconds);
	report('MiB', memory, limits.memory);
} finally {
	await proxy.close();
	await s3.close();
}

function put(key: string, status: ServerStatus): void {
	const bytes = Buffer.from(jsonLine(status));
	s3.objects.set(key, {bytes, size: bytes.length, etag: 'x', modified: Date.now(), headers: {}, version: '1'});
}

function statusOf(server: string): ServerStatus {
	const time = new Date(Date.now() - 3_600_000).toISOString();
	return {
		schema: 1,
		server,
		host: `${server}.example.org`,
		version: '3.0.0',
		runId: `run-of-${server}`,
		start: time,
		end: time,
		exitCode: 0,
		outcome: 'done',
		expectEvery: 93_600,
		databases: Array.from({length: databases}, (_, index) => ({
			database: `app${index}`,
			lastGood: {time, bytes: 1 << 30, seconds: 600, location: 's3://bucket/', key: `${server}/app${index}.dump`},
		})),
	};
}

/** Returns total and processor seconds, and the peak memory in MiB, of the program including its start. */
async function view(): Promise<{seconds: number; cpu: number; memory: number; stdout: string}> {
	const {keyId, secret} = testCredential;
	const program = join(import.meta.dirname, '../../dist/pg_back.cjs');
	const args = [
		...['--no-config-file', '--fleet=s3', '--fleet-prefix=fleet', '--s3-bucket=bucket', '--s3-region=us-east-1'],
		...[`--s3-endpoint=http://127.0.0.1:${proxy.port}`, '--s3-force-path=yes'],
	];
	const start = performance.now();
	const measure = `process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS + ' cpu ' + (process.resourceUsage().userCPUTime + process.resourceUsage().systemCPUTime)))`;
	const child = spawn(
		process.execPath,
		['--import', `data:text/javascript,${encodeURIComponent(measure)}`, program, ...args],
		{
			env: {...process.env, AWS_ACCESS_KEY_ID: keyId, AWS_SECRET_ACCESS_KEY: secret},
			stdio: ['ignore', 'pipe', 'pipe'],
		},
	);
	let stdout = '';
	let stderr = '';
	child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
	child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
	const [code] = (await once(child, 'close')) as [number | null];
	if (code !== 0) throw new Error(stderr);
	const [, peak, cpu] = /peak (\d+) cpu (\d+)/.exec(stderr) ?? [];
	return {seconds: (performance.now() - start) / 1000, cpu: Number(cpu) / 1e6, memory: Number(peak) / 1024, stdout};
}

function report(what: string, value: number, limit: number): void {
	const verdict = value <= limit ? `ok (limit ${limit})` : `TOO MUCH (limit ${limit})`;
	process.stdout.write(
		`${servers} servers, ${servers * databases} databases: ${value.toFixed(1)} ${what}  ${verdict}\n`,
	);
	if (!(value <= limit)) process.exitCode = 1;
}
