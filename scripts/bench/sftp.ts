/**
 * Compares SFTP uploads to a real sshd with OpenSSH's own `sftp`, in turn, directly and through a proxy that adds 20 ms
 * each way. Both open a connection, send, flush and end. Prints medians of the rounds and missed targets.
 *
 * node --import tsx scripts/bench/sftp.ts [--size MIB=512] [--rounds N=5]
 */
import {mkdtemp, open, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import {startFaultProxy} from '../../test/helpers/fault-proxy.js';
import {type Sshd, startSshd} from '../../test/helpers/sshd.js';
import {bundle, type Measure, measureClient, measureCommand} from './measured.js';
import {median} from './statistics.js';

const {values} = parseArgs({options: {size: {type: 'string', default: '512'}, rounds: {type: 'string', default: '5'}}});
const size = Number(values.size) * 1024 * 1024;
const rounds = Number(values.rounds);
const missed: string[] = [];

const scratch = await mkdtemp(join(tmpdir(), 'pg_back-bench-'));
const sshd = await startSshd();
const proxy = await startFaultProxy({port: sshd.port}, {delay: 20});
try {
	const client = await bundle(join(import.meta.dirname, 'sftp-client.ts'), scratch);
	const file = join(sshd.scratch, 'dump');
	await makeFile(file);
	for (const [name, port] of [
		['loopback', sshd.port],
		['20 ms each way', proxy.port],
	] as const) {
		const theirs: Measure[] = [];
		const ours: Measure[] = [];
		for (let round = 0; round < rounds; round++) {
			theirs.push(await withOpenSsh(sshd, port, file));
			await rm(join(sshd.home, 'dump'));
			ours.push(await measureClient(client, [String(port), sshd.user, sshd.clientKey, file]));
			await rm(join(sshd.home, 'dump'));
		}
		console.log(`${name}, ${values.size} MiB, medians of ${rounds}`);
		print('sftp', theirs);
		print('pg_back', ours);
		const ratio = middle(theirs, 'seconds') / middle(ours, 'seconds');
		console.log(`  pg_back is ${ratio.toFixed(2)} times as fast`);
		if (ratio < 0.9) missed.push(`${name}: ${ratio.toFixed(2)} times sftp, aim 0.9`);
		const peak = Math.max(...ours.map(one => one.memory));
		if (peak >= 200) missed.push(`${name}: peak memory ${peak.toFixed(0)} MiB, aim under 200`);
	}
} finally {
	await proxy.close();
	await sshd.stop();
	await rm(scratch, {recursive: true});
}
for (const aim of missed) console.log(`MISSED: ${aim}`);
process.exitCode = missed.length > 0 ? 1 : 0;

function middle(measures: readonly Measure[], what: keyof Measure): number {
	return median(measures.map(one => one[what]));
}

function print(name: string, measures: readonly Measure[]): void {
	const cpu = (middle(measures, 'cpu') * 1024 ** 3) / size;
	// sftp has ssh do most of it, in another process.
	const peak = Math.max(...measures.map(one => one.memory)).toFixed(0);
	const memory = name === 'pg_back' ? `, peak memory ${peak} MiB` : '';
	const speed = size / 1e6 / middle(measures, 'seconds');
	console.log(`  ${name.padEnd(8)} ${speed.toFixed(0)} MB/s, ${cpu.toFixed(2)} s of CPU a GiB${memory}`);
}

async function makeFile(path: string): Promise<void> {
	const handle = await open(path, 'w');
	const block = Buffer.alloc(1024 * 1024);
	for (let at = 0; at < block.length; at += 4) block.writeUInt32LE((at * 2654435761) >>> 0, at);
	for (let at = 0; at < size; at += block.length) await handle.write(block, 0, block.length, at);
	await handle.close();
}

function withOpenSsh(server: Sshd, port: number, file: string): Promise<Measure> {
	const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
	return measureCommand(
		'sftp',
		[
			...['-F', 'none', '-f', '-b', '-', '-i', server.clientKey, '-P', String(port)],
			...options.flatMap(option => ['-o', option]),
			`${server.user}@${server.host}`,
		],
		{input: `put -f ${file} dump\n`},
	);
}
