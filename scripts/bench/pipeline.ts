/**
 * `npm run bench:pipeline`: compares a dump with checksum, encryption and checksum of the result with bare pg_dump with
 * the same arguments writing a file, medians; then three databases at once with and without; then memory and stalls.
 * `pipeline-age.ts`, which runs first, measures age alone. `--rounds N` (default 5), `--rows N` of the database
 * (default 3,000,000: 0.7 GB).
 */
import {spawnSync} from 'node:child_process';
import {mkdir, readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import type {Server} from '../demo/server.js';
import {createBench, program} from './bench.js';
import {median} from './statistics.js';
import {timeCommand, type Timed} from './timed.js';

const {values} = parseArgs({
	options: {
		rounds: {type: 'string', default: '5'},
		rows: {type: 'string', default: '3000000'},
		'no-age': {type: 'boolean', default: false},
	},
});
const rounds = Number(values.rounds);
const databases = ['bench_0', 'bench_1', 'bench_2'];

if (!values['no-age']) {
	const age = spawnSync(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'pipeline-age.ts')], {
		stdio: 'inherit',
	});
	if (age.status !== 0) process.exitCode = 1;
}
const {scratch, signal, withServer} = await createBench();
const out = join(scratch, 'out');
await withServer(async server => {
	await fill(server);
	await measureLevels(server, keyPair());
});

function keyPair(): string {
	const {stdout} = spawnSync('age-keygen', {encoding: 'utf8'});
	const key = /public key: (\S+)/.exec(stdout)?.[1];
	if (key === undefined) throw new Error('age-keygen is not there');
	return key;
}

async function fill(server: Server): Promise<void> {
	for (const [index, database] of databases.entries()) {
		await server.psql('postgres', `create database ${database}`);
		await server.psql(
			database,
			`create table item (id int primary key, name text, body text);
			insert into item select n, 'item ' || n, md5(n::text) || md5((n * 7)::text) || repeat(md5((n % 1000)::text), 4)
			from generate_series(1, ${Number(values.rows) - index * 200_000}) n;
			vacuum analyze`,
		);
	}
	await server.psql('postgres', 'checkpoint');
}

async function measureLevels(server: Server, key: string): Promise<void> {
	const connection = ['-h', server.host, '-p', String(server.port), '-U', 'postgres', '-B', server.binDirectory];
	const ours = (names: readonly string[], ...more: string[]) => [
		program,
		'--no-config-file',
		'-q',
		'--dump-only',
		'-b',
		out,
		...connection,
		...more,
		...names,
	];
	const sealed = ['-S', 'sha256', '--encrypt', '--cipher-public-key', key];
	const pgDump = join(server.binDirectory, 'pg_dump');
	const bare = (level: readonly string[]) => [
		...level,
		'-Fc',
		'-h',
		server.host,
		'-p',
		String(server.port),
		'-U',
		'postgres',
		'-f',
		join(out, 'x'),
		databases[0]!,
	];
	const memory: number[] = [];
	for (const [level, limit] of [
		[[], 1.05],
		[['-Z', '1'], 1.15],
		[['-Z', '0'], 1.5],
	] as const) {
		const [mine, theirs] = await sideBySide(
			() => node(ours([databases[0]!], ...level, ...sealed)),
			() => timeCommand(pgDump, bare(level), signal),
		);
		memory.push(...mine.map(one => one.megabytes));
		verdict(
			`checksum + age + checksum, ${level.join(' ') || 'default level'}, against bare pg_dump`,
			ratio(mine, theirs),
			limit,
		);
	}
	const chain = `"${pgDump}" ${bare(['-Z', '0'])
		.map(word => `'${word}'`)
		.join(
			' ',
		)} && cd "${out}" && sha256sum x > x.sha256 && age -r ${key} -o x.age x && rm x && sha256sum x.age > x.age.sha256`;
	const [mine, shell] = await sideBySide(
		() => node(ours([databases[0]!], '-Z', '0', ...sealed)),
		() => timeCommand('sh', ['-c', chain], signal),
	);
	verdict('checksum + age + checksum, -Z 0, against the shell chain', ratio(mine, shell), 0.6);
	const [withAll, without] = await sideBySide(
		() => node(ours(databases, '-j', '2', '-Z', '1', ...sealed)),
		() => node(ours(databases, '-j', '2', '-Z', '1', '--no-encrypt')),
	);
	memory.push(...withAll.map(one => one.megabytes));
	verdict('three databases, -j 2, -Z 1, with everything against without', ratio(withAll, without), 1.05);
	verdict('peak memory in MiB', Math.max(...memory), 200);
	await measureStalls(ours(databases, '-j', '4', '-Z', '1', ...sealed));
}

async function measureStalls(args: readonly string[]): Promise<void> {
	const file = join(scratch, 'stalls.json');
	await inDirectory(() =>
		timeCommand(process.execPath, ['--import', join(import.meta.dirname, 'stalls.mjs'), ...args], signal, {
			STALLS: file,
		}),
	);
	const {p99, max} = JSON.parse(await readFile(file, 'utf8')) as {p99: number; max: number};
	verdict(`stalls of the event loop in ms, p99 (the longest: ${max.toFixed(1)})`, p99, 30);
}

function node(args: readonly string[]): Promise<Timed> {
	return timeCommand(process.execPath, args, signal);
}

/** Runs both in turn; the first round fills the page cache and is not counted. */
async function sideBySide(first: () => Promise<Timed>, second: () => Promise<Timed>): Promise<[Timed[], Timed[]]> {
	const results: [Timed[], Timed[]] = [[], []];
	for (let round = -1; round < rounds; round++) {
		const one = await inDirectory(first);
		const two = await inDirectory(second);
		if (round < 0) continue;
		results[0].push(one);
		results[1].push(two);
	}
	return results;
}

async function inDirectory<T>(action: () => Promise<T>): Promise<T> {
	await mkdir(out);
	try {
		return await action();
	} finally {
		await rm(out, {recursive: true});
	}
}

function ratio(mine: readonly Timed[], theirs: readonly Timed[]): number {
	const [a, b] = [median(mine.map(one => one.seconds)), median(theirs.map(one => one.seconds))];
	process.stdout.write(`${a.toFixed(2)} s / ${b.toFixed(2)} s  `);
	return a / b;
}

function verdict(what: string, value: number, limit: number): void {
	const good = value <= limit;
	if (!good) process.exitCode = 1;
	process.stdout.write(`${what}: ${value.toFixed(2)} (limit ${limit}): ${good ? 'ok' : 'FAILED'}\n`);
}
