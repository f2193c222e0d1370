/**
 * `npm run bench:progress`: measures the quality of percentages and remaining times. Twelve databases of mixed sizes
 * and contents, two at a time, are dumped once without and once with a previous run; at 25, 50 and 75 % of the time of
 * the run and of each long dump, the displayed values are compared with the real ones. Then the sampler's cost: runs
 * with and without it, interleaved. `--scale N` (default 4) multiplies the rows, `--repeat N` (default 1) the runs,
 * `--rounds N` (default 3) is for the cost. For the tests, `--record FILE` writes one dump's samples, `--record-run
 * FILE` those of the run without a previous run.
 */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdir, mkdtemp, readFile, rm, symlink, writeFile} from 'node:fs/promises';
import {constants, tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {messageOf} from '../../source/core/errors.js';
import type {RunEvent} from '../../source/core/events.js';
import {buildConnection, type Connection} from '../../source/postgres/connection.js';
import {storedData} from '../../source/postgres/progress-inventory.js';
import {takeSample} from '../../source/postgres/progress-sample.js';
import {copiedTable} from '../../source/postgres/progress-statement.js';
import {openSession, type Session} from '../../source/postgres/session.js';
import type {TableFacts} from '../../source/progress/estimator.js';
import {selectData} from '../../source/progress/select-data.js';
import {cleanEnvironment, StoppedBySignal} from '../demo/command.js';
import {type Server, startServer} from '../demo/server.js';
import {printRun, watchRun} from './progress-recording.js';
import {median} from './statistics.js';

const {values} = parseArgs({
	options: {
		scale: {type: 'string', default: '4'},
		repeat: {type: 'string', default: '1'},
		rounds: {type: 'string', default: '3'},
		record: {type: 'string'},
		'record-run': {type: 'string'},
	},
});
const scale = Number(values.scale);
const program = join(import.meta.dirname, '../../dist/pg_back.cjs');
const never = new AbortController().signal;
/** Fractions of the time at which values are compared. */
const shares = [0.25, 0.5, 0.75] as const;

/** Narrow rows that compress well, documents, values in TOAST that do not compress, many tables, partitions. */
const kinds = {
	narrow: (rows: number) =>
		`create table account (id int, balance int, filler char(84)); insert into account select n, 0, '' from generate_series(1, ${rows * 10}) n;`,
	documents: (rows: number) =>
		`create table document (id int, body text, digest text); insert into document select n, repeat(md5(n::text), 20), md5(n::text) from generate_series(1, ${rows}) n;`,
	toast: (rows: number) =>
		`create table attachment (id int, content bytea); alter table attachment alter content set storage external;
		insert into attachment select g, decode(string_agg(md5((g * 1000 + h)::text), ''), 'hex') from generate_series(1, ${Math.ceil(rows / 80)}) g, generate_series(1, 2000) h group by g;`,
	tables: (rows: number) =>
		`do $$ begin for i in 1..1000 loop execute format('create table t%s as select g, md5(g::text) from generate_series(1, %s) g', lpad(i::text, 4, '0'), ${Math.ceil(rows / 50)}); end loop; end $$;`,
	partitions: (rows: number) =>
		`create table event (day int, note text) partition by range (day);
		do $$ begin for i in 0..29 loop execute format('create table event_%s partition of event for values from (%s) to (%s)', i, i, i + 1); end loop; end $$;
		insert into event select n % 30, md5(n::text) || md5((n * 3)::text) from generate_series(1, ${rows * 4}) n;`,
} as const;
type Kind = keyof typeof kinds;

const databases: readonly {readonly name: string; readonly size: number; readonly contents: readonly Kind[]}[] = [
	{name: 'archive', size: 100_000, contents: ['narrow', 'documents', 'toast']},
	{name: 'billing', size: 60_000, contents: ['documents', 'narrow']},
	{name: 'catalog', size: 60_000, contents: ['tables']},
	{name: 'documents', size: 80_000, contents: ['documents']},
	{name: 'events', size: 80_000, contents: ['partitions']},
	{name: 'files', size: 60_000, contents: ['toast']},
	{name: 'ledger', size: 120_000, contents: ['narrow']},
	{name: 'mail', size: 30_000, contents: ['documents', 'toast']},
	{name: 'notes', size: 5000, contents: ['documents']},
	{name: 'sessions', size: 20_000, contents: ['partitions', 'narrow']},
	{name: 'tiny', size: 100, contents: ['documents']},
	{name: 'wiki', size: 10_000, contents: ['documents']},
];

const everything = {
	schemas: [],
	excludeSchemas: [],
	tables: [],
	excludeTables: [],
	withBlobs: undefined,
	options: [],
	workers: 1,
	inRecovery: false,
};

const scratch = await mkdtemp(join(tmpdir(), 'pg_back-bench-'));
const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupt.abort(new StoppedBySignal(name)));
try {
	const server = await startServer(scratch, interrupt.signal);
	try {
		await measure(server);
	} finally {
		await server.stop();
	}
} catch (error) {
	// Stopped work fails in many ways; the server and all files are removed by now.
	const {signal} = interrupt;
	if (!signal.aborted) throw error;
	console.error(messageOf(signal.reason));
	process.exitCode = signal.reason instanceof StoppedBySignal ? 128 + constants.signals[signal.reason.signal] : 1;
} finally {
	await rm(scratch, {recursive: true, force: true});
}

async function measure(server: Server): Promise<void> {
	if (values.record !== undefined) {
		await fill(server, ['archive']);
		await record(server, 'archive', values.record);
		return;
	}
	await fill(
		server,
		databases.map(({name}) => name),
	);
	const out = join(scratch, 'out');
	const recording = values['record-run'];
	const ratios = {without: [] as (readonly number[])[], with: [] as (readonly number[])[]};
	for (let repeat = 0; repeat < Number(values.repeat); repeat++) {
		await rm(out, {recursive: true, force: true});
		const first = recording === undefined ? await run(server, out) : await recordRun(server, out, recording);
		ratios.without.push(report('without a last run', first));
		ratios.with.push(report('with a last run', await run(server, out)));
	}
	for (const name of ['without', 'with'] as const) {
		const medians = shares.map((_, index) => median(ratios[name].flatMap(ratio => ratio[index] ?? [])).toFixed(2));
		console.log(
			`\n${name} a last run, median of ${values.repeat}: time left of the run at 25 / 50 / 75 % x${medians.join(' x')}`,
		);
	}
	if (Number(values.rounds) > 0) await cost(server);
}

async function fill(server: Server, names: readonly string[]): Promise<void> {
	for (const {name, size, contents} of databases.filter(one => names.includes(one.name))) {
		await server.psql('postgres', `create database ${name}`);
		for (const kind of contents) await server.psql(name, kinds[kind](Math.ceil(size * scale)));
		await server.psql(name, 'vacuum analyze');
	}
	await server.psql('postgres', 'checkpoint');
}

type Ran = {readonly events: readonly RunEvent[]; readonly seconds: number};

async function run(server: Server, directory: string): Promise<Ran> {
	const names = databases.map(database => database.name);
	const start = performance.now();
	const text = await runToEnd(process.execPath, [...backup(server, directory), '--log-format', 'json', ...names]);
	const events = text
		.trimEnd()
		.split('\n')
		.map(line => JSON.parse(line) as RunEvent);
	return {events, seconds: (performance.now() - start) / 1000};
}

function backup(server: Server, directory: string, tools = server.binDirectory): string[] {
	const connection = ['-h', server.host, '-p', String(server.port), '-U', 'postgres', '-B', tools];
	return [program, '--no-config-file', '--dump-only', '-b', directory, '-j', '2', ...connection];
}

/** Returns its output; when we are stopped it is stopped too, and has exited when this returns. */
async function runToEnd(command: string, args: readonly string[]): Promise<string> {
	const {signal} = interrupt;
	signal.throwIfAborted();
	const child = spawn(command, args, {stdio: ['ignore', 'pipe', 'inherit'], env: cleanEnvironment()});
	const stop = (): void => {
		child.kill('SIGTERM');
	};
	signal.addEventListener('abort', stop, {once: true});
	let text = '';
	child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
	const [code] = (await once(child, 'close')) as [number | null];
	signal.removeEventListener('abort', stop);
	signal.throwIfAborted();
	if (code !== 0) throw new Error(`${command} ended with ${String(code)}: ${text.split('\n').slice(-5).join('\n')}`);
	return text;
}

/** The last displayed values at a fraction of a period. */
type Shown = {readonly fraction: number | undefined; readonly eta: number | undefined};
type Stretch = {
	readonly name: string;
	readonly start: number;
	readonly end: number;
	readonly shown: readonly (Shown & {readonly time: number})[];
};

/** Prints the displayed remaining time of the run against the real one at each fraction of the time, and returns it. */
function report(title: string, {events, seconds}: Ran): readonly number[] {
	console.log(`\n${title}: ${seconds.toFixed(1)} s`);
	const [whole, ...jobs] = stretches(events);
	if (!whole) return [];
	console.log('                 percentage shown at 25 / 50 / 75 %      time left, shown : true, in seconds');
	const long = jobs.filter(job => job.end - job.start > 4000);
	for (const one of [whole, ...long]) line(one);
	return shares.map(share => {
		const own = errorAt(whole, share);
		const errors = long.flatMap(job => errorAt(job, share) ?? []);
		const points = `${(median(errors.map(error => error.points)) * 100).toFixed(0)} points`;
		const left = `${((median(errors.map(error => Math.exp(Math.abs(Math.log(error.ratio))))) - 1) * 100).toFixed(0)} %`;
		console.log(
			`at ${share * 100} %: run ${own === undefined ? 'says nothing' : `off by ${(own.points * 100).toFixed(0)} points, time left x${own.ratio.toFixed(2)}`}` +
				(errors.length === 0 ? '' : `; dumps (median of ${errors.length}) off by ${points}, time left off by ${left}`),
		);
		return own?.ratio ?? Number.NaN;
	});
}

function line(one: Stretch): void {
	const fractions = shares.map(share =>
		`${((shownAt(one, share)?.fraction ?? Number.NaN) * 100).toFixed(0)} %`.padStart(6),
	);
	const etas = shares.map(share =>
		`${(shownAt(one, share)?.eta ?? Number.NaN).toFixed(1)}:${(((1 - share) * (one.end - one.start)) / 1000).toFixed(1)}`.padStart(
			12,
		),
	);
	console.log(`${one.name.padEnd(18)} ${fractions.join(' ')}          ${etas.join(' ')}`);
}

function shownAt({start, end, shown}: Stretch, share: number): Shown | undefined {
	return shown.findLast(one => one.time <= start + (end - start) * share);
}

function errorAt(one: Stretch, share: number): {readonly points: number; readonly ratio: number} | undefined {
	const shown = shownAt(one, share);
	if (shown?.fraction === undefined || shown.eta === undefined) return undefined;
	const left = ((1 - share) * (one.end - one.start)) / 1000;
	return {points: Math.abs(shown.fraction - share), ratio: Math.max(0.01, shown.eta) / left};
}

/** Returns the run first, then its dumps. */
function stretches(events: readonly RunEvent[]): Stretch[] {
	const jobs = [
		...new Set(
			events.flatMap(event => (event.type === 'job.started' && event.job.startsWith('database:') ? [event.job] : [])),
		),
	];
	const time = (type: 'job.started' | 'job.finished', job: string) =>
		events.find(event => event.type === type && event.job === job)?.time ?? 0;
	const all = jobs.map(job => ({
		name: job.slice('database:'.length),
		start: time('job.started', job),
		end: time('job.finished', job),
		shown: events.flatMap(event => {
			const found = event.type === 'progress' ? event.jobs.find(one => one.job === job) : undefined;
			return found ? [{time: event.time, fraction: found.fraction, eta: found.eta}] : [];
		}),
	}));
	const totals = events.flatMap(event =>
		event.type === 'run.totals' ? [{time: event.time, fraction: event.fraction, eta: event.eta}] : [],
	);
	return [
		{
			name: 'the run',
			start: Math.min(...all.map(one => one.start)),
			end: Math.max(...all.map(one => one.end)),
			shown: totals,
		},
		...all,
	];
}

/**
 * Measures the dump of one database: half a minute with `--scale 4`. `times` of the shell separates our processor time
 * from pg_dump's.
 */
async function cost(server: Server): Promise<void> {
	const tools = join(scratch, 'tools');
	const spent = join(scratch, 'pg_dump.times');
	await mkdir(tools);
	for (const tool of ['psql', 'pg_dumpall']) await symlink(join(server.binDirectory, tool), join(tools, tool));
	await writeFile(
		join(tools, 'pg_dump'),
		`#!/bin/bash\n'${join(server.binDirectory, 'pg_dump')}' "$@"\nstatus=$?\ntimes >>'${spent}'\nexit $status\n`,
		{mode: 0o755},
	);
	const measured = {on: [] as Cost[], off: [] as Cost[]};
	for (let round = 0; round < Number(values.rounds); round++) {
		for (const name of ['on', 'off'] as const) {
			const directory = join(scratch, `cost-${name}`);
			await rm(spent, {force: true});
			const start = performance.now();
			const args = [...backup(server, directory, tools), '--progress-interval', name === 'on' ? '1' : '0'];
			const all = await runToEnd('/bin/bash', [
				...['-c', '"$@" 2>/dev/null >&2 && times', 'cost', process.execPath],
				...[...args, 'archive'],
			]);
			const seconds = (performance.now() - start) / 1000;
			measured[name].push({seconds, cpu: spentIn(all) - spentIn(await readFile(spent, 'utf8'))});
			await rm(directory, {recursive: true});
		}
	}
	const of = (name: 'on' | 'off', what: keyof Cost) => median(measured[name].map(one => one[what]));
	const share = (of('on', 'cpu') - of('off', 'cpu')) / of('on', 'seconds');
	console.log(
		`\nthe sampler's cost: ${of('on', 'seconds').toFixed(2)} s with, ${of('off', 'seconds').toFixed(2)} s without; ` +
			`our processor time without pg_dump's ${of('on', 'cpu').toFixed(2)} s and ${of('off', 'cpu').toFixed(2)} s: ${(share * 100).toFixed(2)} % of a core`,
	);
	const connection = await connectionTo(server);
	const session = await openSession({psql: join(server.binDirectory, 'psql'), connection, signal: never});
	const start = performance.now();
	const cpu = process.cpuUsage();
	for (let index = 0; index < 200; index++) await takeSample(session, ['a', 'b'], {now: Date.now, timeout: 10});
	const used = process.cpuUsage(cpu);
	console.log(
		`one sample: ${((performance.now() - start) / 200).toFixed(2)} ms, ${((used.user + used.system) / 1000 / 200).toFixed(2)} ms of our processor time`,
	);
	await session.close();
	await connection.dispose();
}

/** In seconds. */
type Cost = {readonly seconds: number; readonly cpu: number};

/** Parses the lines of the children in the output of `times`: `0m1.234s 0m0.567s`. */
function spentIn(text: string): number {
	const lines = text.split('\n').filter((_, index) => index % 2 === 1);
	const spans = lines.flatMap(line => [...line.matchAll(/(\d+)m([\d.]+)s/g)]);
	return spans.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}

async function connectionTo({host, port}: Server): Promise<Connection> {
	return buildConnection({host, port, user: 'postgres'}, {PATH: process.env['PATH']});
}

/** Records a whole run with the tables of all databases, and samples of its dumps once per second. */
async function recordRun(server: Server, directory: string, file: string): Promise<Ran> {
	const connection = await connectionTo(server);
	const open = (name: string): Promise<Session> =>
		openSession({psql: join(server.binDirectory, 'psql'), connection, database: name, signal: never});
	const tables = new Map<string, readonly TableFacts[]>();
	for (const {name} of databases) {
		const inside = await open(name);
		tables.set(name, selectData(await storedData(inside), everything));
		await inside.close();
	}
	const session = await open('postgres');
	const sizes = new Map(
		(await session.query('select datname, pg_catalog.pg_database_size(oid) from pg_catalog.pg_database')).map(
			([name, size]) => [name ?? '', Number(size)] as const,
		),
	);
	const over = new AbortController();
	const watching = watchRun(session, over.signal);
	try {
		const ran = await run(server, directory).finally(() => over.abort());
		await writeFile(file, printRun({concurrency: 2, events: ran.events, samples: await watching, tables, sizes}));
		return ran;
	} finally {
		await watching.catch(() => undefined); // the error of the run is more useful
		await session.close();
		await connection.dispose();
	}
}

/** Records one dump with its tables and samples of them four times per second, as the estimator receives them. */
async function record(server: Server, database: string, file: string): Promise<void> {
	const application = 'pg_back recording';
	const connection = await connectionTo(server);
	const open = (name: string): Promise<Session> =>
		openSession({psql: join(server.binDirectory, 'psql'), connection, database: name, signal: never});
	const inside = await open(database);
	const tables = selectData(await storedData(inside), everything);
	const child = connection.forDatabase(database, {applicationName: application});
	const start = Date.now();
	const dump = spawn(
		join(server.binDirectory, 'pg_dump'),
		['-Fc', '-w', '-f', join(scratch, 'recorded.dump'), ...child.args],
		{env: child.env, stdio: 'inherit'},
	);
	const over = new AbortController();
	const ended = once(dump, 'close').finally(() => over.abort());
	const samples: unknown[] = [];
	while (!over.signal.aborted) {
		const {sessions} = await takeSample(inside, [application], {now: Date.now, timeout: 10});
		const copying = sessions.flatMap(({pid, query = '', copy}) => {
			const table = copiedTable(query);
			return copy && table
				? [{pid, oid: copy.relation, name: `${table.schema}.${table.name}`, bytes: copy.bytes, rows: copy.rows}]
				: [];
		});
		samples.push({time: Date.now() - start, copying});
		await sleep(250, undefined, {signal: over.signal}).catch(() => undefined);
	}
	await ended;
	const recording = {workers: 1, end: Date.now() - start, tables, samples};
	await writeFile(file, `${JSON.stringify(recording)}\n`);
	await inside.close();
	await connection.dispose();
}
