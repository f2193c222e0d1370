/** Progress and locks of the built program against a server at work: what it said is compared with what turned out. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {rmSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import type {JobProgress, RunEvent} from '../../source/core/events.js';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, filesIn, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';

let server: Cluster;
let directory: string;

before(async () => {
	server = await startCluster({name: 'live'});
	directory = scratchDirectory('live');
	for (const name of ['bank', 'small']) await server.psql('postgres', `create database ${name}`);
	await server.psql(
		'bank',
		`create table accounts as select n as id, 0 as balance, ''::char(84) as filler from generate_series(1, 600000) n;
		create table toasty (id int, content bytea); alter table toasty alter content set storage external;
		insert into toasty select g, decode(string_agg(md5((g * 1000 + h)::text), ''), 'hex') from generate_series(1, 250) g, generate_series(1, 4000) h group by g;
		create schema many; do $$ begin for i in 1..1000 loop execute format('create table many.t%s as select %s as i', i, i); end loop; end $$;
		create table event (day int, note text) partition by range (day);
		do $$ begin for i in 0..9 loop execute format('create table event_%s partition of event for values from (%s) to (%s)', i, i, i + 1); end loop; end $$;
		insert into event select n % 10, md5(n::text) from generate_series(1, 100000) n; create sequence counter;
		create materialized view unfilled as select 1 with no data; create table skipped as select n from generate_series(1, 1000) n;`,
	);
	await server.psql('bank', 'vacuum analyze');
	await server.psql('small', 'create table first as select 1 as i; create table second as select 2 as i');
});
after(async () => {
	await server.stop();
	rmSync(directory, {recursive: true, force: true});
});

function eventsIn(text: string): RunEvent[] {
	return text
		.trimEnd()
		.split('\n')
		.map(line => JSON.parse(line) as RunEvent);
}

function progressOf(events: readonly RunEvent[], job: string): (JobProgress & {readonly time: number})[] {
	return events.flatMap(event =>
		event.type === 'progress' ? event.jobs.filter(one => one.job === job).map(one => ({...one, time: event.time})) : [],
	);
}

describe('percentages', () => {
	const args = () => [
		...connectTo(server, directory),
		'--dump-only',
		'--log-format',
		'json',
		'--progress-interval',
		'100ms',
	];

	async function dump(...more: readonly string[]) {
		const {code, stdout, stderr} = await runProgram([...args(), ...more, 'bank'], {});
		assert.equal(code, 0, stderr);
		const events = eventsIn(stdout);
		const shown = progressOf(events, 'database:bank');
		const fractions = shown.flatMap(one => one.fraction ?? []);
		assert.ok(fractions.length > 3, `${fractions.length} of ${shown.length} with a percentage`);
		for (const [index, fraction] of fractions.entries())
			assert.ok(fraction < 1 && fraction >= (fractions[index - 1] ?? 0), fractions.join(' '));
		const totals = events.filter(event => event.type === 'run.totals');
		for (const [index, one] of totals.entries()) assert.ok((one.fraction ?? 0) >= (totals[index - 1]?.fraction ?? 0));
		return {shown, events, fractions};
	}

	test('come from the tables: 1,000 small ones, partitions, and one that is nearly all TOAST', async () => {
		const {shown} = await dump();
		const counted = shown.find(one => one.tablesTotal !== undefined);
		// accounts, toasty, skipped, ten partitions, a thousand; neither the parent nor the view nor the sequence.
		assert.equal(counted?.tablesTotal, 1013);
		const last = shown.findLast(one => one.tablesTotal !== undefined);
		assert.ok((last?.tablesDone ?? 0) > 1000, String(last?.tablesDone));
		const toast = shown.flatMap(one => one.tables?.filter(table => table.name === 'public.toasty') ?? []);
		assert.ok(toast.length > 0 && toast.every(table => table.estimated === undefined), 'rows are counted');
		assert.ok(new Set(toast.map(table => table.fraction)).size > 1, 'it moves');
		assert.ok(shown.every(one => one.fraction === undefined || one.estimated));
		assert.ok(filesIn(directory, {manifests: true}).includes('.pg_back-history.json'));
	});

	test('what the options leave out does not count; workers are told apart', async () => {
		const {shown} = await dump('--format', 'directory', '-J', '2', '--config', '/nonexistent');
		assert.equal(shown.find(one => one.tablesTotal !== undefined)?.tablesTotal, 1013);
	});

	test('a last run makes the percentage one of time', async () => {
		const {shown, fractions} = await dump();
		const [start = 0, end = 0] = [shown[0]?.time, shown.at(-1)?.time];
		// On a busy machine, the list of the tables may arrive after half of the time.
		const known = shown.filter(one => one.fraction !== undefined);
		const middle = known[Math.floor(known.length / 2)];
		const share = ((middle?.time ?? 0) - start) / (end - start);
		assert.ok(
			Math.abs((middle?.fraction ?? 0) - share) < 0.3,
			`${String(middle?.fraction)} after ${share} of the time; ${fractions.join(' ')}`,
		);
		assert.ok(shown.some(one => one.eta !== undefined));
	});

	test('--progress-interval 0 leaves the server alone', async () => {
		const {code, stdout} = await runProgram([...args().slice(0, -1), '0', 'bank']);
		assert.equal(code, 0);
		// Not the fraction: when only the flush is left, it is the share of the time.
		for (const {tables, tablesTotal, activity} of progressOf(eventsIn(stdout), 'database:bank'))
			assert.deepEqual([tables, tablesTotal, activity], [undefined, undefined, undefined]);
	});
});

describe('locks', {timeout: 300_000}, () => {
	const sessions: ChildProcess[] = [];
	after(() => sessions.forEach(child => child.kill()));

	/** A psql that runs its script and then holds what it has until its stdin ends. */
	function hold(application: string, sql: string): ChildProcess {
		const child = spawn(join(clientDirectory(), 'psql'), ['-XAtqw', '-d', server.connectionString('small')], {
			env: {PGAPPNAME: application, LC_ALL: 'C'},
			stdio: ['pipe', 'ignore', 'ignore'],
		});
		child.stdin.write(`${sql}\n`);
		sessions.push(child);
		return child;
	}

	async function closed(child: ChildProcess): Promise<void> {
		if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
	}

	const waiting = (application: string) => async () =>
		(await server.psql(
			'postgres',
			`select count(*) from pg_stat_activity where application_name like '${application}' and wait_event_type = 'Lock'`,
		)) !== '0';
	const holding = async () =>
		(await server.psql(
			'small',
			"select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'second'::regclass",
		)) === '1';

	/** A dump that has `first`, waits for `second`, and has a writer behind it. */
	async function dumpWithWriterBehind(args: readonly string[]) {
		const holder = hold('holder', 'begin; lock table second in access exclusive mode;');
		await waitFor(holding, 'the holder');
		const running = await startProgram([
			...connectTo(server, directory),
			'--dump-only',
			'--progress-interval',
			'100ms',
			...args,
			'small',
		]);
		await waitFor(waiting('pg_back %'), 'the dump');
		const writer = hold('migration', "alter table first add note text default 'secret 4711'; \\q");
		await waitFor(waiting('migration'), 'the writer');
		return {running, holder, writer};
	}

	test('a warning names table, lock, statement without its values, and session', async () => {
		const {running, holder, writer} = await dumpWithWriterBehind(['--lock-warn-after', '1']);
		await running.untilLog(
			/WARN: small: session \d+ \(postgres, migration\): alter table first add note text default \?; has waited [\d.]+s for AccessExclusiveLock on public\.first behind this dump/,
		);
		holder.stdin?.end();
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
		assert.doesNotMatch(stderr, /secret|4711/);
		await closed(writer);
	});

	test('requeue: the writer goes first, the database is dumped again', async () => {
		const {running, holder, writer} = await dumpWithWriterBehind([
			'--lock-warn-after',
			'1',
			'--on-blocking',
			'requeue',
		]);
		await closed(writer);
		await running.untilLog(/dumping database small \(attempt 2\)/);
		holder.stdin?.end();
		const {code, stderr} = await running.ended;
		assert.equal(code, 0, stderr);
		assert.match(stderr, /WARN: dump of small requeued: other sessions have waited .* requeued to the end of the run/);
		assert.doesNotMatch(stderr, /ERROR|cancelled|failed/);
		assert.match(stderr, /INFO: dump of small to \S+ done/);
	});

	test('cancel: the dump fails and says why', async () => {
		const {running, holder, writer} = await dumpWithWriterBehind(['--lock-warn-after', '1', '--on-blocking', 'cancel']);
		const {code, stderr} = await running.ended;
		assert.equal(code, 1, stderr);
		assert.match(
			stderr,
			/dump of small failed: other sessions have waited .* for public\.first behind this dump: canceled \(on_blocking = cancel\)/,
		);
		await closed(writer);
		holder.stdin?.end();
		await closed(holder);
	});

	test('lock_wait_timeout ends a dump that waits', async () => {
		const holder = hold('holder', 'begin; lock table second in access exclusive mode;');
		await waitFor(holding, 'the holder');
		const {code, stderr} = await runProgram([
			...connectTo(server, directory),
			'--dump-only',
			'--lock-wait-timeout',
			'1',
			'small',
		]);
		holder.stdin?.end();
		await closed(holder);
		assert.equal(code, 1, stderr);
		assert.match(stderr, /LOCK TABLE .*public\.second/);
	});

	test('a dump that waits 30 seconds says for which table, and who has it', {timeout: 120_000}, async () => {
		const holder = hold('holder', 'begin; lock table second in access exclusive mode;');
		await waitFor(holding, 'the holder');
		const running = await startProgram([
			...connectTo(server, directory),
			'--dump-only',
			'--progress-interval',
			'500ms',
			'small',
		]);
		await running.untilLog(
			/WARN: small: waiting for AccessExclusiveLock on public\.second, held by session \d+ \(postgres, holder\): lock table second in access exclusive mode/,
		);
		holder.stdin?.end();
		assert.equal((await running.ended).code, 0);
	});
});
