/** The swap of a restored database with the present one, in trouble: what it says and what is there afterwards agree. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import type {Session} from '../../source/postgres/session.js';
import {confirmSwap} from '../../source/restore/confirm.js';
import type {DatabasePlan} from '../../source/restore/restore-plan.js';
import {openRestoreTarget, type RestoreTarget} from '../../source/restore/restore-target.js';
import {swapDatabases} from '../../source/restore/swap.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {never, sessionOn, waitFor} from '../helpers/postgres.js';
import {connectTo, runProgram, scratchDirectory, startProgram, succeeded} from '../helpers/program.js';
import {runContext} from '../helpers/run-context.js';

let server: Cluster;
let directory: string;
const long = (end: string) => `${'n'.repeat(60)}${end}`;

before(async () => {
	server = await startCluster({name: 'restore-swap'});
	directory = scratchDirectory('restore-swap');
	await server.psql('postgres', 'create role maker login createdb');
	for (const name of ['app', long('a'), long('b')]) {
		await server.psql('postgres', `create database ${name} owner maker`);
		await server.psql(name, 'create table t as select 1 as i; alter table t owner to maker');
	}
	succeeded(await runProgram(connectTo(server, directory)));
});
after(async () => server.stop());

const restore = (...args: readonly string[]) => [...connectTo(server, directory), '--restore', 'backup', ...args];
const replace = (name: string) => ['--replace', '--confirm', name];
const rows = (database: string) => server.psql(database, 'select string_agg(i::text, $$,$$) from t');
const previousOf = async (name: string) =>
	(await server.psql('postgres', `select datname from pg_database where datname ~ '^${name}_before_'`))
		.split('\n')
		.filter(Boolean);

async function withTarget(act: (target: RestoreTarget) => Promise<void>): Promise<void> {
	const run = await runContext(connectTo(server, directory).slice(1));
	const target = await openRestoreTarget(run, new Set());
	try {
		await act(target);
	} finally {
		await target.close();
	}
}

test('without superuser, a session of a superuser is waited for', async () => {
	await server.psql('app', 'update t set i = 2');
	const [held, ended] = [
		await sessionOn(server, {database: 'app'}),
		await sessionOn(server, {database: 'app', user: 'maker'}),
	];
	const running = await startProgram([
		...[...connectTo(server, directory, 'maker'), '-d', 'postgres', '--roles', 'none'],
		...['--restore', 'backup', 'app', ...replace('app')],
	]);
	const its = "select count(*) from pg_stat_activity where datname = 'app' and usename = 'maker'";
	await waitFor(
		async () => (await server.psql('postgres', its)) === '0',
		'the end of the session that may be ended',
		60,
	);
	await ended.close();
	assert.ok(held.alive);
	await held.close();
	const {code, stderr} = await running.ended;
	assert.equal(code, 0, stderr);
	assert.equal(await rows('app'), '1');
	const [previous = ''] = await previousOf('app');
	assert.equal(await rows(previous), '2');
});

test('--swap-back of a name that is shortened like another takes its own database', async () => {
	await server.psql(long('a'), 'update t set i = 3');
	await server.psql(long('b'), 'update t set i = 4');
	succeeded(await runProgram(restore(long('b'), ...replace(long('b')))));
	succeeded(await runProgram(restore(long('a'), ...replace(long('a')))));
	succeeded(await runProgram([...connectTo(server, directory), '--swap-back', long('b')]));
	assert.deepEqual([await rows(long('a')), await rows(long('b'))], ['1', '4']);
	succeeded(await runProgram([...connectTo(server, directory), '--swap-back', long('a')]));
	assert.deepEqual([await rows(long('a')), await rows(long('b'))], ['3', '4']);
});

test('databases whose shortened names are the same are replaced by one restore', async () => {
	await server.psql(long('a'), 'update t set i = 5');
	await server.psql(long('b'), 'update t set i = 6');
	const names = [long('a'), long('b')];
	succeeded(await runProgram(restore(...names, ...replace(names.join(',')))));
	assert.deepEqual([await rows(long('a')), await rows(long('b'))], ['1', '1']);
	for (const name of names) succeeded(await runProgram([...connectTo(server, directory), '--swap-back', name]));
	assert.deepEqual([await rows(long('a')), await rows(long('b'))], ['5', '6']);
});

/** Swaps `incoming` for `present`, with the name that was planned for the present one. */
async function swapAs(previous: string): Promise<string> {
	let name = '';
	await withTarget(async target => {
		const swap = {name: 'present', previous, incoming: 'incoming', statements: []};
		name = await swapDatabases(target, swap, {signal: never, now: () => new Date(), undo: ''});
	});
	return name;
}

/** Undoes the last replacement, and drops what it had restored. Returns what is logged. */
async function undo(name: string): Promise<string> {
	const {stderr} = succeeded(await runProgram([...connectTo(server, directory), '--swap-back', name]));
	await server.psql('postgres', `drop database "${/is now (\S+)/.exec(stderr)?.[1] ?? ''}"`);
	return stderr;
}

test('two replacements that were planned in the same second, the first planned as the last to end', async () => {
	const of = (name: string) =>
		server.psql(
			'postgres',
			`select oid, datconnlimit, shobj_description(oid, 'pg_database') from pg_database where datname = '${name}'`,
		);
	await server.psql('postgres', "create database present connection limit 5; comment on database present is 'first'");
	const before = await of('present');
	await server.psql('postgres', 'create database incoming connection limit 6');
	assert.equal(await swapAs('present_before_20260101T000000'), 'present_before_20260101T000000');
	const second = await of('present');
	await server.psql('postgres', 'create database incoming');
	const other = await swapAs('present_before_20260101T000000');
	assert.match(other, /^present_before_20\d{6}T\d{6}$/);
	assert.notEqual(other, 'present_before_20260101T000000');
	const third = await of('present');
	await server.psql('postgres', 'create database incoming');
	await swapAs('present_before_20250101T000000');
	// The time in its name is that of its plan.
	for (const [expected, kept] of [
		[third, 'present_before_20250101T000000'],
		[second, other],
		[before, 'present_before_20260101T000000'],
	] as const) {
		assert.match(await undo('present'), new RegExp(`${kept} is present again`));
		assert.equal(await of('present'), expected);
	}
	await server.psql('postgres', 'drop database present');
});

test('two replacements of a database at the same time: the second replaces what the first has restored', async () => {
	await server.psql('app', 'update t set i = 7');
	await server.psql('postgres', "alter database app connection limit 8; comment on database app is 'mine'");
	const kept = await previousOf('app');
	const both = await Promise.all([1, 2].map(async () => runProgram(restore('app', ...replace('app')))));
	for (const {code, stderr} of both) assert.equal(code, 0, stderr);
	for (const expected of ['1', '7']) {
		await undo('app');
		assert.equal(await rows('app'), expected);
	}
	const properties =
		"select datconnlimit, shobj_description(oid, 'pg_database') from pg_database where datname = 'app'";
	assert.equal(await server.psql('postgres', properties), '8|mine');
	assert.deepEqual(await previousOf('app'), kept);
	await server.psql('postgres', 'comment on database app is null; alter database app connection limit -1');
	await server.psql('app', 'update t set i = 1');
});

test('postgres is replaced by way of template1, also under another name than the dumped one', async () => {
	succeeded(await runProgram(restore('app', '--into', 'postgres', ...replace('postgres'))));
	assert.equal(
		await server.psql('template1', "select count(*) from pg_database where datname ~ '^postgres_before'"),
		'1',
	);
	assert.equal(await rows('postgres'), '1');
	succeeded(await runProgram([...connectTo(server, directory), '--swap-back', 'postgres']));
	assert.equal(await server.psql('postgres', "select to_regclass('t')"), '');
});

test('a failed swap: the database is as it was, and the statements to do it by hand are said and work', async () => {
	const before = await server.psql('postgres', "select oid, datconnlimit from pg_database where datname = 'app'");
	const held = await sessionOn(server, {database: 'app'});
	const {code, stderr} = await runProgram([
		...[...connectTo(server, directory, 'maker'), '-d', 'postgres', '--roles', 'none'],
		...['--restore', 'backup', 'app', ...replace('app')],
	]);
	assert.equal(code, 1, stderr);
	assert.ok(held.alive);
	await held.close();
	assert.equal(
		await server.psql('postgres', "select oid, datconnlimit from pg_database where datname = 'app'"),
		before,
	);
	const statements = [...stderr.matchAll(/WARN: ((?:select|begin|commit|alter|grant|comment) ?.*;)$/gm)].map(
		([, sql]) => sql,
	);
	const oid = async () => server.psql('postgres', "select oid from pg_database where datname = 'app'");
	const inTheWay = [...statements.slice(0, -1), 'select 1 / 0;', ...statements.slice(-1)];
	await assert.rejects(server.psql('postgres', inTheWay.join('\n')), /division by zero/);
	assert.deepEqual([await oid(), await rows('app')], [before.split('|')[0], '1'], 'clients still get in');
	await server.psql('postgres', statements.join('\n'));
	assert.notEqual(await oid(), before.split('|')[0]);
	assert.equal(await rows('app'), '1');
	succeeded(await runProgram([...connectTo(server, directory), '--swap-back', 'app']));
	assert.equal(
		await server.psql('postgres', "select oid, datconnlimit from pg_database where datname = 'app'"),
		before,
	);
});

test('a transaction that is prepared during the restore: it is named at once, and clients get in', async () => {
	const other = await startCluster({name: 'restore-swap', settings: {max_prepared_transactions: '1'}});
	try {
		await other.psql('postgres', 'create database app');
		await other.psql('app', 'create table t as select 1 as i');
		const prepare = "begin; insert into t values (2); prepare transaction 'x'";
		const hook = `psql -X -h ${other.socketDirectory} -p ${other.port} -U postgres -d app -c "${prepare}"`;
		const {code, stderr} = await runProgram([
			...[...connectTo(other, directory), '--roles', 'none', '--restore', 'backup', 'app', ...replace('app')],
			...['--owner', 'postgres', '--after-restore-hook', hook],
		]);
		assert.equal(code, 1, stderr);
		assert.match(stderr, /cannot replace app with app\.pgbk-\w{6}: app has 1 prepared transaction$/m);
		assert.match(stderr, /HINT: app is unchanged; commit or roll them back first; run the statements above/);
		await other.psql('app', "commit prepared 'x'");
		assert.equal(await other.psql('app', 'select count(*) from t'), '2');
		const statements = [...stderr.matchAll(/WARN: ((?:select|begin|commit|alter|grant|comment) ?.*;)$/gm)];
		await other.psql('postgres', statements.map(([, sql]) => sql).join('\n'));
		assert.equal(await other.psql('app', 'select count(*) from t'), '1');
	} finally {
		await other.stop();
	}
});

test('a connection that is lost at COMMIT: the server says whether it was executed', async () => {
	for (const isExecuted of [true, false]) {
		await server.psql('postgres', 'create database present; create database incoming');
		await withTarget(async target => {
			const real = target.session;
			let alive = true;
			const session: Session = {
				...real,
				get alive() {
					return alive;
				},
				async query(sql, options) {
					if (sql !== 'commit') return real.query(sql, options);
					if (isExecuted) await real.query(sql, options);
					await real.close();
					alive = false;
					throw new Error('lost');
				},
			};
			const swap = {name: 'present', previous: 'previous', incoming: 'incoming', statements: []};
			const swapped = swapDatabases({...target, session}, swap, {
				signal: never,
				now: () => new Date(),
				undo: 'pg_back --swap-back present',
			});
			await (isExecuted ? swapped : assert.rejects(swapped, /lost/));
		});
		const there = await server.psql(
			'postgres',
			"select string_agg(datname, ' ' order by datname) from pg_database where datname in ('present', 'previous', 'incoming')",
		);
		assert.equal(there, isExecuted ? 'present previous' : 'incoming present');
		for (const name of there.split(' ')) await server.psql('postgres', `drop database ${name}`);
	}
});

test('a damaged database is described, and replaced when its name is typed', async () => {
	const catalog = 'set allow_system_table_mods = on; alter table pg_catalog.pg_extension rename column';
	for (const [damage, repair, reason] of [
		[
			"alter database app set session_preload_libraries = 'none_such'",
			'alter database app reset all',
			/contents unknown: .*none_such/,
		],
		[`${catalog} extconfig to damaged`, `${catalog} damaged to extconfig`, /contents unknown: .*extconfig/],
	] as const) {
		const run = await runContext(connectTo(server, directory).slice(1));
		await server.psql('app', damage);
		await withTarget(async target => {
			const plan = {target: 'app', hidden: long('a')} as DatabasePlan;
			const asked: string[] = [];
			await confirmSwap({...run, askLine: async text => (asked.push(text), Promise.resolve('app'))}, target, plan, {
				id: 'x',
				signal: never,
			});
			assert.equal(asked.length, 1);
			assert.match(JSON.stringify(run.events), reason);
		});
		await server.psql(damage.startsWith('set') ? 'app' : 'postgres', repair);
	}
});
