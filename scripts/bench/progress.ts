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
import {mkdir, readFile, rm, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import type {RunEvent} from '../../source/core/events.js';
import {buildConnection, type Connection} from '../../source/postgres/connection.js';
import {storedData} from '../../source/postgres/progress-inventory.js';
import {takeSample} from '../../source/postgres/progress-sample.js';
import {copiedTable} from '../../source/postgres/progress-statement.js';
import {openSession, type Session} from '../../source/postgres/session.js';
import {selectData} from '../../source/progress/select-data.js';
import type {TableFacts} from '../../source/progress/tables.js';
import {cleanEnvironment} from '../demo/command.js';
import type {Server} from '../demo/server.js';
import {createBench, program} from './bench.js';
import {databases, fillDatabases} from './progress-databases.js';
import {printRun, watchRun} from './progress-recording.js';
import {type Ran, report, shares} from './progress-report.js';
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
const never = new AbortController().signal;
const names = databases.map(({name}) => name);

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

const {scratch, signal, withServer} = await createBench();
await withServer(measure);

async function measure(server: Server): Promise<void> {
	if (values.record !== undefined) {
		await fillDatabases(server, ['archive'], scale);
		await record(server, 'archive', values.record);
		return;
	}
	await fillDatabases(server, names, scale);
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

async function run(server: Server, directory: string): Promise<Ran> {
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
	for (const name of names) {
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
