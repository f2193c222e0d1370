/**
 * SFTP upload of 512 MiB to a real sshd: ours beside OpenSSH's own `sftp`, directly and through a proxy that adds 20 ms each way.
 * Prints the median of the rounds in MB/s. `--size MIB`, `--rounds N`.
 */
import {spawn} from 'node:child_process';
import {open, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import {openSftp} from '../../source/storage/sftp/sftp.js';
import {openFileSource} from '../../source/storage/source.js';
import {startFaultProxy} from '../../test/helpers/fault-proxy.js';
import {startSshd, type Sshd} from '../../test/helpers/sshd.js';

const {values} = parseArgs({options: {size: {type: 'string', default: '512'}, rounds: {type: 'string', default: '3'}}});
const size = Number(values.size) * 1024 * 1024;
const rounds = Number(values.rounds);
const signal = new AbortController().signal;

const sshd = await startSshd();
const proxy = await startFaultProxy({port: sshd.port}, {delay: 20});
try {
	const file = join(sshd.scratch, 'dump');
	await makeFile(file);
	for (const [name, port] of [
		['loopback', sshd.port],
		['20 ms each way', proxy.port],
	] as const) {
		const theirs: number[] = [];
		const ours: number[] = [];
		for (let round = 0; round < rounds; round++) {
			theirs.push(await speed(() => withOpenSsh(sshd, port, file)));
			ours.push(await speed(() => withOurs(sshd, port, file)));
		}
		const ratio = median(ours) / median(theirs);
		console.log(
			`${name}: sftp ${median(theirs).toFixed(0)} MB/s, pg_back ${median(ours).toFixed(0)} MB/s, ratio ${ratio.toFixed(2)}`,
		);
	}
	console.log(`peak memory of pg_back: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
} finally {
	await proxy.close();
	await sshd.stop();
}

async function makeFile(path: string): Promise<void> {
	const handle = await open(path, 'w');
	const block = Buffer.alloc(1024 * 1024);
	for (let at = 0; at < block.length; at += 4) block.writeUInt32LE((at * 2654435761) >>> 0, at);
	for (let at = 0; at < size; at += block.length) await handle.write(block, 0, block.length, at);
	await handle.close();
}

async function speed(work: () => Promise<void>): Promise<number> {
	const start = performance.now();
	await work();
	const seconds = (performance.now() - start) / 1000;
	await rm(join(sshd.home, 'dump'));
	return size / 1e6 / seconds;
}

async function withOurs(server: Sshd, port: number, file: string): Promise<void> {
	const settings = {
		host: server.host,
		port,
		user: server.user,
		identity: server.clientKey,
		configFile: 'none',
		ignoreHostKey: true,
	};
	const storage = await openSftp(settings, {env: {}, signal, log: () => undefined});
	const source = await openFileSource(file);
	await storage.put('dump', source, {signal});
	await source.close();
	await storage.close();
}

function withOpenSsh(server: Sshd, port: number, file: string): Promise<void> {
	const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'].flatMap(option => [
		'-o',
		option,
	]);
	const args = [
		'-F',
		'none',
		...options,
		'-i',
		server.clientKey,
		'-P',
		String(port),
		'-f',
		'-b',
		'-',
		`${server.user}@${server.host}`,
	];
	return new Promise((resolve, reject) => {
		const child = spawn('sftp', args, {stdio: ['pipe', 'ignore', 'inherit']});
		child.stdin.end(`put -f ${file} dump\n`);
		child.once('error', reject);
		child.once('exit', code => (code === 0 ? resolve() : reject(new Error(`sftp: exit status ${code}`))));
	});
}

function median(numbers: readonly number[]): number {
	return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}
