/**
 * The second part of `npm run bench:fleet`: measures how evenly a plan divides the dumps of a server. Each dump is
 * measured alone; the slowest shard by these seconds is compared with the ideal, in which all shards take the same time
 * or the longest dump decides.
 */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {startCluster} from '../../test/helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory} from '../../test/helpers/program.js';

const databases = 48;
const shards = 8;
const limit = 1.15;

const cluster = await startCluster({name: 'balance'});
try {
	for (let index = 0; index < databases; index++) {
		const name = `d${index}`;
		await cluster.psql('postgres', `create database ${name}`);
		// Typical sizes: many small ones, few large ones.
		const rows = Math.round(3000 * (index + 1) ** 1.3);
		await cluster.psql(name, `create table t as select n, md5(n::text) from generate_series(1, ${rows}) n`);
	}
	const store = scratchDirectory('store');
	const connection = connectTo(cluster, scratchDirectory('alone'));
	const common = ['--upload=local', `--local-directory=${store}`, '--fleet-prefix=fleet', '--dump-only', '--jobs=1'];
	const alone = await runProgram([...connection, '--jobs=1', '--dump-only', '--log-format=json']);
	const seconds = secondsIn(alone.stdout);
	await balance('by bytes', 'first');
	for (let index = 1; index <= shards; index++) await run(`--shard=${index}/${shards}`, '--run-name=first');
	await balance('by seconds', 'second');

	async function run(...args: readonly string[]): Promise<void> {
		const {code, stderr} = await runProgram([...connection, ...common, ...args]);
		if (code !== 0) throw new Error(stderr);
	}

	async function balance(how: string, name: string): Promise<void> {
		await run('--write-plan', `--shard=auto/${shards}`, `--run-name=${name}`);
		const plan = JSON.parse(readFileSync(join(store, `fleet/plans/${name}.json`), 'utf8')) as {
			readonly servers: readonly {readonly databases: readonly {readonly name: string; readonly shard: number}[]}[];
		};
		const sums = Array.from({length: shards}, () => 0);
		for (const {name: database, shard} of plan.servers.flatMap(server => server.databases))
			sums[shard - 1] = (sums[shard - 1] ?? 0) + (seconds.get(database) ?? 0);
		const all = [...seconds.values()];
		const ideal = Math.max(all.reduce((sum, one) => sum + one, 0) / shards, ...all);
		const ratio = Math.max(...sums) / ideal;
		const verdict = ratio <= limit ? `ok (limit ${limit})` : `TOO MUCH (limit ${limit})`;
		process.stdout.write(
			`${databases} databases on ${shards} shards, divided ${how}: slowest ${Math.max(...sums).toFixed(2)} s, ideal ${ideal.toFixed(2)} s, ${ratio.toFixed(3)}  ${verdict}\n`,
		);
		if (!(ratio <= limit)) process.exitCode = 1;
	}
} finally {
	await cluster.stop();
}

/** Seconds from the start to the end of each job of a database. */
function secondsIn(lines: string): ReadonlyMap<string, number> {
	const started = new Map<string, number>();
	const seconds = new Map<string, number>();
	for (const line of lines.trim().split('\n')) {
		const event = JSON.parse(line) as {readonly type: string; readonly time: number; readonly job?: string};
		const name = /^database:(.*)$/.exec(event.job ?? '')?.[1];
		if (name === undefined) continue;
		if (event.type === 'job.started') started.set(name, event.time);
		if (event.type === 'job.finished') seconds.set(name, (event.time - (started.get(name) ?? event.time)) / 1000);
	}
	return seconds;
}
