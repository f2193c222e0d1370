/**
 * `npm run bench:small`: compares the cost of small runs with bare pg_dump and a shell loop over it. Pairs,
 * interleaved, and the medians of their ratios: one database; 50 with `-j 4`, plain and with sha256 and age; and the
 * slope from 50 to 200, which is the cost of one more database. `--rounds N` (default 11); `--short`: 3 rounds, without
 * the slope; `--only TEXT`: titles that contain it.
 */
import {spawnSync} from 'node:child_process';
import {mkdir, readdir, rm} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import type {Server} from '../demo/server.js';
import {createBench, program} from './bench.js';
import {type Measure, measureCommand} from './measured.js';
import {interleaved, type Pair, verdict} from './pairs.js';
import {median} from './statistics.js';

const {values} = parseArgs({
	options: {
		rounds: {type: 'string', default: '11'},
		short: {type: 'boolean', default: false},
		only: {type: 'string', default: ''},
	},
});
const rounds = values.short ? 3 : Number(values.rounds);
const recipient = newRecipient();
const encrypted = ['-S', 'sha256', '--encrypt', '--cipher-public-key', recipient];

const {scratch, signal, withServer} = await createBench();
await withServer(measureAll);

async function measureAll(server: Server): Promise<void> {
	process.stdout.write(`${availableParallelism()} cores, node ${process.version}, ${rounds} pairs\n`);
	if (values.only !== 'objects') await fill(server, values.short ? 50 : 200);
	const wants = (title: string) => title.includes(values.only);
	if (wants('one')) await measureOne(server);
	if (wants('objects')) await measureObjects(server);
	for (const [title, more, limit, slopeLimit] of [
		['plain', [], 1.05, 1.02],
		['sha256 and age', encrypted, 1.12, 1.08],
	] as const) {
		if (!wants(title)) continue;
		const few = await measurePairs(server, 50, more);
		report(`50 databases, -j 4, ${title}`, few, limit);
		if (values.short) continue;
		const many = await measurePairs(server, 200, more);
		report(`200 databases, -j 4, ${title}`, many);
		const slope = (side: keyof Pair) => median(seconds(many, side)) - median(seconds(few, side));
		verdict(`one more database, ${title}: ratio of the slopes`, slope('ours') / slope('theirs'), slopeLimit);
	}
}

/** 20,000 rows and one index in each; they differ in name only. */
async function fill(server: Server, count: number): Promise<void> {
	await server.psql('postgres', 'create database small_0');
	await server.psql(
		'small_0',
		`create table item (id int primary key, name text, body text);
		insert into item select n, 'item ' || n, md5(n::text) || repeat(md5((n % 1000)::text), 2) from generate_series(1, 20000) n;
		analyze`,
	);
	for (const name of names(count).slice(1)) await server.psql('postgres', `create database ${name} template small_0`);
	await server.psql('postgres', 'checkpoint');
}

function names(count: number): readonly string[] {
	return Array.from({length: count}, (_, index) => `small_${index}`);
}

async function measureOne(server: Server): Promise<void> {
	const pairs = await measurePairs(server, 1, []);
	report('one database, --dump-only', pairs);
	verdict('one database: seconds', median(seconds(pairs, 'ours')), 0.16);
	report('one database, --dump-only, sha256 and age', await measurePairs(server, 1, encrypted));
}

/** 5,000 large objects of 2 KiB, each a file of a directory dump: with age against without. */
async function measureObjects(server: Server): Promise<void> {
	await server.psql('postgres', 'create database objects');
	const object = "lo_from_bytea(0, decode(repeat(md5(n::text), 128), 'hex'))";
	await server.psql('objects', `select count(${object}) from generate_series(1, 5000) n; checkpoint`);
	const run = (more: readonly string[]) => async () =>
		inDirectory(async directory => runOurs(server, ['objects'], directory, ['-F', 'directory', ...more]));
	const pairs = await interleaved(run(encrypted), run([]), {rounds});
	report('5,000 large objects, directory: with sha256 and age (first) against without', pairs, 1.3);
}

async function measurePairs(server: Server, count: number, more: readonly string[]): Promise<readonly Pair[]> {
	const databases = names(count);
	return interleaved(
		async () => inDirectory(async directory => runOurs(server, databases, directory, more)),
		async () => inDirectory(async directory => runLoop(server, databases, directory)),
		{rounds},
	);
}

async function inDirectory<T>(action: (directory: string) => Promise<T>): Promise<T> {
	signal.throwIfAborted();
	const directory = join(scratch, 'out');
	await mkdir(directory);
	try {
		return await action(directory);
	} finally {
		await rm(directory, {recursive: true});
	}
}

async function runOurs(
	server: Server,
	databases: readonly string[],
	directory: string,
	more: readonly string[],
): Promise<Measure> {
	const args = [
		...[program, '--no-config-file', '-q', '--dump-only', '-b', directory, '-j', '4', '-Z', '1', ...more],
		...['-h', server.host, '-p', String(server.port), '-U', 'postgres', '-B', server.binDirectory, ...databases],
	];
	const measured = await measureCommand(process.execPath, args);
	const written = (await readdir(directory)).filter(name => /\.(?:dump(?:\.age)?|d)$/.test(name)).length;
	if (written !== databases.length) throw new Error(`pg_back wrote ${written} dumps instead of ${databases.length}`);
	return measured;
}

/** Runs the same pg_dump, with the same arguments and concurrency; it flushes its output, like ours. */
async function runLoop(server: Server, databases: readonly string[], directory: string): Promise<Measure> {
	const dump = `"${join(server.binDirectory, 'pg_dump')}" -Fc -w -Z1 -h "${server.host}" -p ${server.port} -U postgres -f "${directory}/{}.dump" -d {}`;
	return measureCommand('sh', ['-c', `printf '%s\\n' ${databases.join(' ')} | xargs -P 4 -I {} ${dump}`]);
}

function seconds(pairs: readonly Pair[], side: keyof Pair): readonly number[] {
	return pairs.map(pair => pair[side].seconds);
}

function report(title: string, pairs: readonly Pair[], limit?: number): void {
	const shown = (side: keyof Pair) =>
		`${median(seconds(pairs, side)).toFixed(3)} s (${median(pairs.map(pair => pair[side].cpu)).toFixed(3)} s of processor time)`;
	const ratio = median(pairs.map(({ours, theirs}) => ours.seconds / theirs.seconds));
	const cpu = median(pairs.map(({ours, theirs}) => ours.cpu / theirs.cpu));
	const memory = Math.max(...pairs.map(({ours}) => ours.memory));
	process.stdout.write(
		`${title}: pg_back ${shown('ours')}, shell loop ${shown('theirs')}; processor time ${cpu.toFixed(3)}; peak memory ${memory.toFixed(0)} MiB\n`,
	);
	if (limit === undefined) process.stdout.write(`  ratio ${ratio.toFixed(3)}\n`);
	else verdict('  ratio', ratio, limit);
}

function newRecipient(): string {
	const {stdout, error} = spawnSync('age-keygen', {encoding: 'utf8'});
	const key = /public key: (age1\S+)/.exec(stdout)?.[1];
	if (key === undefined) throw new Error(`age-keygen is not there: ${error?.message ?? ''}`);
	return key;
}
