/**
 * `npm run bench:dump`: compares our runs with a shell loop that calls pg_dump with the same arguments and concurrency:
 * 50 small databases with -j 4, and three of 0.6-0.8 GB with -j 2, in the custom format. Both write to one scratch
 * directory, interleaved. Also prints the largest resident set of our process. `--small` omits the large ones;
 * `--rounds N` (default 5).
 */
import {mkdir, readdir, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import type {Server} from '../demo/server.js';
import {createBench, program} from './bench.js';
import {median} from './statistics.js';
import {timeCommand, type Timed} from './timed.js';

const memoryLimit = 120;
const {values} = parseArgs({
	options: {small: {type: 'boolean', default: false}, rounds: {type: 'string', default: '5'}},
});

type Load = {
	readonly title: string;
	readonly databases: readonly string[];
	readonly jobs: number;
	readonly limit: number;
};
const small: Load = {title: '50 small databases, -j 4', databases: names('small', 50), jobs: 4, limit: 1.25};
const large: Load = {title: 'three of 0.6-0.8 GB, -j 2', databases: names('large', 3), jobs: 2, limit: 1.05};

const {scratch, signal, withServer} = await createBench();
await withServer(async server => {
	for (const load of values.small ? [small] : [small, large]) await measure(server, load);
});

function names(prefix: string, count: number): string[] {
	return Array.from({length: count}, (_, index) => `${prefix}_${index}`);
}

async function measure(server: Server, load: Load): Promise<void> {
	await fill(server, load);
	const ours: number[] = [];
	const loop: number[] = [];
	const memory: number[] = [];
	for (let round = -1; round < Number(values.rounds); round++) {
		const mine = await inDirectory(async directory => runOurs(server, load, directory));
		const shell = await inDirectory(async directory => runLoop(server, load, directory));
		if (round < 0) continue; // fills the page cache
		ours.push(mine.seconds);
		memory.push(mine.megabytes);
		loop.push(shell.seconds);
	}
	const ratio = median(ours) / median(loop);
	const peak = Math.max(...memory);
	const good = ratio <= load.limit && peak <= memoryLimit;
	process.stdout.write(
		`${load.title}: pg_back ${median(ours).toFixed(2)} s, shell loop ${median(loop).toFixed(2)} s, ratio ${ratio.toFixed(3)} (limit ${load.limit}); ` +
			`peak memory ${peak.toFixed(0)} MiB (limit ${memoryLimit}): ${good ? 'ok' : 'FAILED'}\n`,
	);
	if (!good) process.exitCode = 1;
}

async function fill(server: Server, {databases, title}: Load): Promise<void> {
	const isLarge = title === large.title;
	for (const [index, database] of databases.entries()) {
		await server.psql('postgres', `create database ${database}`);
		const rows = isLarge ? 2_400_000 + index * 400_000 : 2000;
		await server.psql(
			database,
			`create table item (id int primary key, name text, body text);
			insert into item select n, 'item ' || n, md5(n::text) || md5((n * 7)::text) || repeat(md5((n % 1000)::text), 4) from generate_series(1, ${rows}) n;
			create table note (id int primary key, item int references item, at timestamptz default now());
			insert into note (id, item) select n, n from generate_series(1, ${Math.min(rows, 20_000)}) n;
			vacuum analyze`,
		);
	}
	await server.psql('postgres', 'checkpoint');
}

async function inDirectory<T>(action: (directory: string) => Promise<T>): Promise<T> {
	const directory = join(scratch, 'out');
	await mkdir(directory);
	try {
		return await action(directory);
	} finally {
		await rm(directory, {recursive: true});
	}
}

async function runOurs(server: Server, {databases, jobs}: Load, directory: string): Promise<Timed> {
	const connection = ['-h', server.host, '-p', String(server.port), '-U', 'postgres', '-B', server.binDirectory];
	const args = [
		program,
		'--no-config-file',
		'-q',
		'--dump-only',
		'-b',
		directory,
		'-j',
		String(jobs),
		'-Z',
		'1',
		...connection,
		...databases,
	];
	const timed = await timeCommand(process.execPath, args, signal);
	const written = (await readdir(directory)).filter(name => name.endsWith('.dump')).length;
	if (written !== databases.length) throw new Error(`pg_back wrote ${written} dumps instead of ${databases.length}`);
	return timed;
}

/**
 * Runs pg_dump with our arguments, as printed by a run with -v: format, level and connection; each dump is flushed to
 * disk, like ours.
 */
async function runLoop(server: Server, {databases, jobs}: Load, directory: string): Promise<Timed> {
	const dump = `"${join(server.binDirectory, 'pg_dump')}" -Fc -Z1 -h "${server.host}" -p ${server.port} -U postgres -f "${directory}/{}.dump" -d {}`;
	return timeCommand('sh', ['-c', `printf '%s\\n' ${databases.join(' ')} | xargs -P ${jobs} -I {} ${dump}`], signal);
}
