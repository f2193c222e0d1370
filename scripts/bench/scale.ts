/**
 * `npm run bench:scale`: what grows with the size of a site, in interleaved pairs, medians of `--rounds N` (default 5).
 *
 * - `decrypt`: 800 MB against `age -d` and `sync FILE`, since ours is on the disk when it has its name.
 * - `split`: one table of 2 GB, level 6, divided over two sessions, against `pg_dump -Fd -j 2`.
 * - `tables`: a database of 20,000 tables against bare pg_dump.
 * - `stream`: `local_copy = no` to an S3 server against the same run with local files.
 * - `keys`: list, plan of a purge and `--check-age` over a million objects, and over a quarter of them.
 *
 * `--only decrypt,split` leaves the others out; `--scale 0.25` makes everything smaller; `--short` measures small things
 * once and judges nothing but memory.
 * Exits with 1 when a limit is exceeded.
 */
import {execFileSync, spawn} from 'node:child_process';
import {randomFillSync} from 'node:crypto';
import {once} from 'node:events';
import {chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {open} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {parseArgs} from 'node:util';
import type {Server} from '../demo/server.js';
import {createBench, program} from './bench.js';
import {type Measure, measureCommand} from './measured.js';
import {interleaved, type Pair, verdict} from './pairs.js';
import {median} from './statistics.js';

const {values} = parseArgs({
	options: {
		rounds: {type: 'string', default: '5'},
		only: {type: 'string', default: 'decrypt,split,tables,stream,keys'},
		scale: {type: 'string', default: '1'},
		short: {type: 'boolean', default: false},
	},
});
const rounds = values.short ? 1 : Number(values.rounds);
const scale = values.short ? 0.05 : Number(values.scale);
const parts = new Set(values.only.split(','));
const mebi = 1024 * 1024;
const {scratch, signal, withServer} = await createBench();
chmodSync(scratch, 0o755);
const out = join(scratch, 'out');
const keyFile = join(scratch, 'identity');
process.stdout.write(`${availableParallelism()} cores, node ${process.version}, ${rounds} pairs\n`);
execFileSync('age-keygen', ['-o', keyFile], {stdio: 'ignore'});
await withServer(measureAll, {max_locks_per_transaction: '1000'});

async function measureAll(server: Server): Promise<void> {
	if (parts.has('decrypt')) await measureDecryption();
	if (parts.has('keys')) await measureKeys();
	if (parts.has('split')) await measureSplit(server);
	if (parts.has('stream')) await measureStream(server);
	if (parts.has('tables')) await measureTables(server);
}

async function measureDecryption(): Promise<void> {
	const directory = newDirectory('encrypted');
	const clear = join(directory, 'app_2026-11-22T04:00:00Z.dump');
	const handle = await open(clear, 'w');
	for (let left = Math.round(763 * scale); left > 0; left--) await handle.write(randomFillSync(Buffer.alloc(mebi)));
	await handle.close();
	const recipient = execFileSync('age-keygen', ['-y', keyFile], {encoding: 'utf8'}).trim();
	execFileSync('age', ['-r', recipient, '-o', `${clear}.age`, clear]);
	rmSync(clear);
	const pairs = await interleave(
		async () => {
			const measured = await measureCommand(process.execPath, [
				...[program, '--no-config-file', '-q', '-b', directory, '--decrypt', '--cipher-identity-file', keyFile],
			]);
			rmSync(clear);
			return measured;
		},
		async () => {
			const script = 'age -d -i "$1" -o "$2" "$2.age" && sync "$2"';
			const measured = await measureCommand('sh', ['-c', script, 'sh', keyFile, clear]);
			rmSync(clear);
			return measured;
		},
	);
	report(`decryption of ${Math.round(800 * scale)} MB against age -d and sync`, pairs, 1);
	rmSync(directory, {recursive: true});
}

/** Text that compresses to about a third, as tables do. */
async function measureSplit(server: Server): Promise<void> {
	const rows = Math.round(9_000_000 * scale);
	await server.psql('postgres', 'create database huge');
	await server.psql(
		'huge',
		`create table huge (id bigint, name text, at timestamptz, body text);
		insert into huge select n, 'item ' || n, '2026-01-01'::timestamptz + n * interval '1 second', md5(n::text) || md5((n * 7)::text) || repeat(md5((n % 1000)::text), 3) from generate_series(1, ${rows}) n;
		analyze huge; checkpoint`,
	);
	const size = Number(await server.psql('huge', "select pg_table_size('huge')"));
	const sizes = {ours: 0, theirs: 0};
	const configuration = join(scratch, 'divided.conf');
	writeFileSync(configuration, `split_tables_larger_than = ${Math.round(size / 8)}\n`, {mode: 0o600});
	const pairs = await interleave(
		() =>
			inOut(async () => {
				const more = ['-c', configuration, '-F', 'directory', '-J', '2', '-Z', '6', 'huge'];
				const measured = await runOurs(server, more);
				const dump = readdirSync(out).find(name => name.endsWith('.d'));
				if (dump === undefined) throw new Error('pg_back wrote no directory dump');
				const members = readdirSync(join(out, dump)).filter(name => name.endsWith('.dat.gz'));
				if (members.length < 2) throw new Error('the table was not divided');
				sizes.ours = sizeOf(join(out, dump));
				return measured;
			}),
		() =>
			inOut(async () => {
				const target = join(out, 'huge.d');
				const measured = await pgDump(server, ['-Fd', '-j2', '-Z6', '-f', target, 'huge']);
				sizes.theirs = sizeOf(target);
				return measured;
			}),
	);
	report(`one table of ${(size / 1e9).toFixed(1)} GB, divided, against pg_dump -Fd -j 2`, pairs, 0.65);
	verdict('  size of the dump against that of pg_dump', sizes.ours / sizes.theirs, 1.03);
	await server.psql('postgres', 'drop database huge');
}

async function measureTables(server: Server): Promise<void> {
	const count = Math.round(20_000 * scale);
	await server.psql('postgres', 'create database many');
	// As many in one transaction as the locks are enough for.
	for (let from = 1; from <= count; from += 1000)
		await server.psql(
			'many',
			`do $$ begin for n in ${from}..${Math.min(from + 999, count)} loop execute format('create table t%s (id int primary key, name text)', n); end loop; end $$`,
		);
	await server.psql('many', 'vacuum analyze');
	const pairs = await interleave(
		() => inOut(() => runOurs(server, ['many'])),
		() => inOut(() => pgDump(server, ['-Fc', '-Z1', '-f', join(out, 'many.dump'), 'many'])),
	);
	report(`${count} tables against bare pg_dump`, pairs, 1.05, 100);
	await server.psql('postgres', 'drop database many');
}

/** The server of the remote benchmark, which discards what it gets. */
async function measureStream(server: Server): Promise<void> {
	await server.psql('postgres', 'create database streamed');
	await server.psql(
		'streamed',
		`create table t as select n, md5(n::text) || md5((n * 7)::text) || md5((n * 11)::text) || md5((n * 13)::text) as body from generate_series(1, ${Math.round(4_000_000 * scale)}) n; checkpoint`,
	);
	const remote = await startRemote([]);
	try {
		const args = [...remote.options, '--upload', 's3', '-Z', '0', '--encrypt', ...recipientOptions(), 'streamed'];
		const pairs = await interleave(
			() => inOut(() => runOurs(server, [...args, '--local-copy', 'no'], remote.env)),
			() => inOut(() => runOurs(server, args, remote.env)),
		);
		report('local_copy = no (first) against local files and upload, uncompressed, age', pairs, 1);
	} finally {
		await remote.stop();
	}
	await server.psql('postgres', 'drop database streamed');
}

async function measureKeys(): Promise<void> {
	const place = ['--upload', 's3', '--upload-prefix', 'synthetic'];
	const commands = {
		'--list-remote': ['--list-remote', 's3', ...place],
		// Nothing is younger than a day: all but one are removed.
		'plan of the purge': ['--purge', 's3', '--dry-run', '-P', '1', '-K', '1', ...place],
		'--check-age': ['--check-age', '26h', ...place],
	};
	const counts = [Math.round(250_000 * scale), Math.round(1_000_000 * scale)] as const;
	const taken: Record<string, Measure[]> = {};
	for (const count of counts) {
		const remote = await startRemote([String(count)]);
		try {
			for (const [name, args] of Object.entries(commands)) {
				const all = [program, '--no-config-file', '-b', newDirectory('none'), ...remote.options, ...args];
				(taken[name] ??= []).push(
					await measureCommand(process.execPath, all, {env: remote.env, statuses: [0, 1, 2, 3]}),
				);
			}
		} finally {
			await remote.stop();
		}
	}
	for (const [name, [few, many]] of Object.entries(taken)) {
		if (!few || !many) continue;
		process.stdout.write(
			`${name} of ${counts[1]} keys: ${many.seconds.toFixed(1)} s (${counts[0]}: ${few.seconds.toFixed(1)} s), ${many.cpu.toFixed(1)} s of processor time\n`,
		);
		verdict(`  peak memory in MiB`, many.memory, 96);
		if (!values.short) verdict('  time, against four times that of a quarter', many.seconds / (4 * few.seconds), 1.15);
	}
}

type Remote = {
	readonly options: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	readonly stop: () => Promise<void>;
};

async function startRemote(args: readonly string[]): Promise<Remote> {
	const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'remote-server.ts'), ...args], {
		stdio: ['pipe', 'pipe', 'inherit'],
	});
	const [url] = (await once(createInterface({input: child.stdout}), 'line')) as [string];
	const options = ['--s3-endpoint', url, '--s3-bucket', 'bucket', '--s3-region', 'us-east-1', '--s3-force-path', 'yes'];
	const env = {AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret/of+the=test'};
	const stop = async () => {
		child.kill();
		await once(child, 'close');
	};
	return {options, env, stop};
}

/** Like `interleaved`, and ends with a signal. */
function interleave(ours: () => Promise<Measure>, theirs: () => Promise<Measure>): Promise<readonly Pair[]> {
	const run = (way: () => Promise<Measure>) => () => {
		signal.throwIfAborted();
		return way();
	};
	return interleaved(run(ours), run(theirs), {rounds, isCold: values.short});
}

function report(title: string, pairs: readonly Pair[], limit: number, memoryLimit?: number): void {
	const shown = (side: keyof Pair) =>
		`${median(pairs.map(pair => pair[side].seconds)).toFixed(2)} s (${median(pairs.map(pair => pair[side].cpu)).toFixed(2)} s of processor time)`;
	const memory = Math.max(...pairs.map(({ours}) => ours.memory));
	process.stdout.write(
		`${title}: pg_back ${shown('ours')}, the other ${shown('theirs')}; peak memory ${memory.toFixed(0)} MiB\n`,
	);
	if (memoryLimit !== undefined) verdict('  peak memory in MiB', memory, memoryLimit);
	const ratio = median(pairs.map(({ours, theirs}) => ours.seconds / theirs.seconds));
	if (values.short) process.stdout.write(`  ratio ${ratio.toFixed(3)}, not judged\n`);
	else verdict('  ratio', ratio, limit);
}

function runOurs(
	server: Server,
	more: readonly string[],
	env: Readonly<Record<string, string>> = {},
): Promise<Measure> {
	const connection = ['-h', server.host, '-p', String(server.port), '-U', 'postgres', '-B', server.binDirectory];
	const file = more.includes('-c') ? [] : ['--no-config-file'];
	const args = [program, ...file, '-q', '--dump-only', '-b', out, ...connection];
	return measureCommand(process.execPath, [...args, ...(more.includes('-Z') ? [] : ['-Z', '1']), ...more], {env});
}

function pgDump(server: Server, args: readonly string[]): Promise<Measure> {
	const connection = ['-w', '-h', server.host, '-p', String(server.port), '-U', 'postgres'];
	return measureCommand(join(server.binDirectory, 'pg_dump'), [...connection, ...args]);
}

function recipientOptions(): readonly string[] {
	const recipient = execFileSync('age-keygen', ['-y', keyFile], {encoding: 'utf8'}).trim();
	return ['--cipher-public-key', recipient];
}

async function inOut(action: () => Promise<Measure>): Promise<Measure> {
	mkdirSync(out);
	try {
		return await action();
	} finally {
		rmSync(out, {recursive: true});
	}
}

function newDirectory(name: string): string {
	const path = join(scratch, `${name}-${Math.random().toString(36).slice(2)}`);
	mkdirSync(path, {mode: 0o700});
	return path;
}

function sizeOf(directory: string): number {
	return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}
