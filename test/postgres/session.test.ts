import assert from 'node:assert/strict';
import {once} from 'node:events';
import {createServer} from 'node:net';
import {after, before, describe, test} from 'node:test';
import fc from 'fast-check';
import {CancelledError, PgBackError} from '../../source/core/errors.js';
import {buildConnection} from '../../source/postgres/connection.js';
import {identifier, literal} from '../../source/postgres/quote.js';
import {openSession, type PostgresError} from '../../source/postgres/session.js';
import {findPsql} from '../../source/postgres/tools.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectionTo, never, sessionOn, waitFor} from '../helpers/postgres.js';

describe('a session', () => {
	let cluster: Cluster;
	before(async () => {
		cluster = await startCluster({name: 'session'});
	});
	after(() => cluster.stop());

	test('says where it is', async () => {
		const session = await sessionOn(cluster);
		assert.deepEqual(
			[session.host, session.port, session.user, session.database],
			[cluster.socketDirectory, String(cluster.port), 'postgres', 'postgres'],
		);
		assert.equal(Math.floor(session.serverVersion / 10_000), cluster.major);
		await session.close();
		await assert.rejects(session.query('select 1'), {code: 'CONNECTION'});
	});

	test('keeps fields, rows, NULLs and line breaks apart', async () => {
		const session = await sessionOn(cluster);
		const texts = [
			'',
			' ',
			'\n',
			'a\nb',
			'\r\n',
			'\t|,;',
			'"',
			"'",
			'\\',
			'\\N',
			':HOST',
			":'x'",
			'\u001e\u001f',
			'€😀',
			'\uFEFF',
			'\uFFFE',
			'\u{10FFFE}a',
			'x'.repeat(100_000),
		];
		const rows = await session.query(
			texts.map(text => `select ${literal(text)}, null, ${literal(text)}`).join(' union all '),
		);
		assert.deepEqual(
			rows,
			texts.map(text => [text, null, text]),
		);
		assert.deepEqual(await session.query('select 1 where false'), []);
		assert.deepEqual(await session.query("select ''"), [['']]);
		assert.deepEqual(await session.query('select null'), [[null]]);
		assert.deepEqual(await session.query('select 1; -- a comment at the end'), [['1']]);
		await session.close();
	});

	test('any text comes back as a literal, and as an identifier', async () => {
		const session = await sessionOn(cluster);
		const text = fc
			.string({unit: 'binary', minLength: 1, maxLength: 12})
			.filter(one => !one.includes('\0') && one.isWellFormed() && Buffer.byteLength(one) < 64);
		for (const scs of ['on', 'off']) {
			await session.query(`set standard_conforming_strings = ${scs}`);
			await fc.assert(
				fc.asyncProperty(text, async one => {
					assert.deepEqual(await session.query(`select ${literal(one)}, x.* from (select 1 as ${identifier(one)}) x`), [
						[one, '1'],
					]);
				}),
				{numRuns: 100},
			);
		}
		await session.close();
	});

	test('queues statements; one that fails leaves the others alone', async () => {
		const session = await sessionOn(cluster);
		const results = await Promise.allSettled([
			session.query('select 1'),
			session.query('select 1/0'),
			session.query('select * from nowhere'),
			session.query("do $$ begin raise exception 'two\nlines' using errcode = 'P0042'; end $$"),
			session.query('select 2'),
		]);
		assert.deepEqual(
			results.map(one => (one.status === 'fulfilled' ? one.value : (one.reason as PostgresError).sqlstate)),
			[[['1']], '22012', '42P01', 'P0042', [['2']]],
		);
		assert.match(String((results[3] as PromiseRejectedResult).reason), /two lines/);
		await session.close();
	});

	test('passes rows on as they arrive, whatever the pieces are', async () => {
		const session = await sessionOn(cluster);
		const seen: (string | null)[] = [];
		const lengths = [0, 1, 65_535, 65_536, 65_537, 300_000, 2];
		const sql = `select repeat('é', n), null from unnest(array[${lengths.join(', ')}]) with ordinality as l (n, i) order by i`;
		const rows = await session.query(sql, {onRow: row => seen.push(...row)});
		assert.deepEqual(rows, []);
		assert.deepEqual(
			seen,
			lengths.flatMap(length => ['é'.repeat(length), null]),
		);
		let count = 0;
		const failing = session.query('select 1 / (50000 - n) from generate_series(1, 100000) n', {onRow: () => count++});
		await assert.rejects(failing, {sqlstate: '22012'});
		assert.ok(count < 50_000);
		assert.deepEqual(await session.query('select 1'), [['1']]);
		await session.close();
	});

	test('settings of the role do not reach it', async () => {
		await cluster.psql(
			'postgres',
			`create role slow login superuser; alter role slow set statement_timeout = 60; alter role slow set search_path = evil;
			alter role slow set default_transaction_read_only = on; alter role slow set client_encoding = latin1`,
		);
		const session = await sessionOn(cluster, {user: 'slow'});
		assert.deepEqual(await session.query("select pg_sleep(0.2)::text, current_setting('search_path'), 'é'"), [
			['', '', 'é'],
		]);
		await session.close();
	});

	test('that cannot be set up is closed', async () => {
		await cluster.psql('postgres', 'create database locked; create role guest login');
		await cluster.psql('locked', 'revoke execute on function pg_catalog.set_config(text, text, boolean) from public');
		const opening = sessionOn(cluster, {user: 'guest', database: 'locked'});
		await assert.rejects(opening, {sqlstate: '42501'});
		await waitFor(async () => {
			const open = await cluster.psql('postgres', "select count(*) from pg_stat_activity where usename = 'guest'");
			return open.trim() === '0';
		}, 'the session to end');
	});

	test('is reported as lost as soon as the server ends it', async () => {
		const session = await sessionOn(cluster);
		const [[pid] = []] = await session.query('select pg_backend_pid()');
		const lost = Promise.allSettled([session.query('select pg_sleep(60)'), session.query('select 1')]);
		await cluster.psql('postgres', `select pg_terminate_backend(${pid})`);
		for (const one of await lost) {
			assert.equal(one.status, 'rejected');
			const {code, exitCode, message} = one.reason as PgBackError;
			assert.deepEqual([code, exitCode], ['CONNECTION', 12]);
			assert.match(message, /was lost: FATAL: +terminating connection due to administrator command/);
		}
		assert.equal(session.alive, false);
		await session.close();
	});

	test('ends with its signal', async () => {
		const controller = new AbortController();
		const session = await sessionOn(cluster, {signal: controller.signal});
		const waiting = session.query('select pg_sleep(60)');
		controller.abort(new CancelledError());
		await assert.rejects(waiting, {code: 'CANCELLED'});
		await session.close();
	});

	test('is given up when the server does not respond in time', async () => {
		const session = await sessionOn(cluster);
		await assert.rejects(session.query('select pg_sleep(60)', {timeout: 0.2}), {
			code: 'CONNECTION',
			message: /not responded for 0.2 seconds/,
		});
		assert.equal(session.alive, false);
	});

	test('that cannot begin says why and what to do', async () => {
		await cluster.psql(
			'postgres',
			'create role nologin; create role locked login; create database noconn allow_connections false; create database crowded connection limit 0',
		);
		const cases: readonly (readonly [Parameters<typeof buildConnection>[0], RegExp, RegExp])[] = [
			[{dbname: cluster.connectionString('nope')}, /database "nope" does not exist/, /-d/],
			[{dbname: cluster.connectionString('noconn')}, /not currently accepting connections/, /-d/],
			[{dbname: cluster.connectionString('postgres'), user: 'nobody-here'}, /role "nobody-here" does not exist/, /-U/],
			[{dbname: cluster.connectionString('postgres'), user: 'nologin'}, /not permitted to log in/, /-U/],
			[{host: cluster.socketDirectory, port: 1}, /No such file or directory/, /-h/],
			[{host: '127.0.0.1', port: 1}, /Connection refused/, /-p/],
			[{host: 'nowhere.invalid'}, /could not translate host name/, /-h/],
			[{dbname: 'service=nowhere'}, /service/, /PGSERVICEFILE/],
			[{dbname: `sslmode=require host=127.0.0.1 user=postgres port=${cluster.port}`}, /SSL/, /sslmode/],
			[{dbname: 'host=127.0.0.1 port=abc'}, /invalid integer value "abc"/, /correct the parameter/],
			[{dbname: 'host=127.0.0.1 port=99999'}, /invalid port number/, /correct the parameter/],
			[{dbname: 'host=127.0.0.1 sslmode=foo'}, /invalid sslmode value/, /correct the parameter/],
			[{dbname: 'host=a,b port=1,2,3'}, /could not match 3 port numbers/, /correct the parameter/],
			[{dbname: `${cluster.connectionString('postgres')} options=-cfoo=1`}, /parameter "foo"/, /PGOPTIONS/],
		];
		for (const [options, message, hint] of cases) {
			const connection = await buildConnection(options, {PATH: process.env['PATH'], HOME: '/nowhere'});
			await assert.rejects(
				openSession({psql: (await findPsql({env: process.env, signal: never})).path, connection, signal: never}),
				(error: unknown) => {
					assert.ok(error instanceof PgBackError);
					assert.deepEqual([error.code, error.exitCode], ['CONNECTION', 12]);
					assert.match(error.message, message);
					assert.match(error.hint ?? '', hint);
					return true;
				},
			);
		}
	});

	test('with a wrong password fails, and shows no password', async () => {
		const strict = await startCluster({auth: 'scram-sha-256'});
		const psql = (await findPsql({env: process.env, signal: never})).path;
		for (const [dbname, message] of [
			[`password=wr0ng host=127.0.0.1 user=postgres port=${strict.port}`, /password authentication failed/],
			[`host=127.0.0.1 user=postgres port=${strict.port}`, /no password supplied/],
		] as const) {
			const connection = await buildConnection({dbname}, {PATH: process.env['PATH'], HOME: '/nowhere'});
			await assert.rejects(openSession({psql, connection, signal: never}), (error: unknown) => {
				assert.ok(error instanceof PgBackError);
				assert.match(error.message, message);
				assert.match(error.hint ?? '', /PGPASSWORD/);
				assert.doesNotMatch(JSON.stringify(error) + error.output.join(), /wr0ng/);
				return true;
			});
			await connection.dispose();
		}
		await strict.stop();
	});

	test('with a server that accepts and says nothing ends at the time limit', async () => {
		const mute = createServer(() => undefined).listen(0, '127.0.0.1');
		await once(mute, 'listening');
		const {port} = mute.address() as {port: number};
		const connection = await buildConnection({host: '127.0.0.1', port, user: 'x'}, {PATH: process.env['PATH']});
		const psql = (await findPsql({env: process.env, signal: never})).path;
		await assert.rejects(openSession({psql, connection, signal: never, connectTimeout: 2}), {
			code: 'CONNECTION',
			message: /timeout expired/,
			hint: /network/,
		});
		mute.close();
	});

	test('works with every server at hand', async context => {
		const {realServerVersions} = await import('../helpers/cluster.js');
		for (const [version] of realServerVersions()) {
			await context.test(`PostgreSQL ${version}`, async () => {
				const one = await startCluster({version});
				const session = await sessionOn(one);
				assert.equal(Math.floor(session.serverVersion / 10_000), version);
				await session.close();
				await one.stop();
			});
		}
	});

	test('start and query are quick', async () => {
		const connection = await connectionTo(cluster);
		assert.ok(connection.database);
		const start = performance.now();
		const session = await sessionOn(cluster);
		const opened = performance.now();
		for (let index = 0; index < 200; index++) await session.query('select 1');
		const each = (performance.now() - opened) / 200;
		console.log(`session open ${(opened - start).toFixed(1)} ms, query ${each.toFixed(2)} ms`);
		assert.ok(each < 20);
		await session.close();
	});
});
