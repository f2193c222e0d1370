/**
 * Restores without superuser that die at different points: what they changed in the server is undone at their end, or
 * by --cleanup-restores, which names it.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {clientDirectory, type Cluster, realServerVersions, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, type Ended, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';

/** 16 and newer have other rules for members of roles. */
const versions = [15, 18].filter(version => realServerVersions().has(version));
type Servers = {readonly source: Cluster; readonly target: Cluster; readonly directory: string};
const servers = new Map<number, Servers>();

before(async () => {
	for (const version of versions) {
		const source = await startCluster({name: 'deaths-source', version});
		const target = await startCluster({name: 'deaths-target', version});
		const directory = scratchDirectory('deaths');
		await source.psql(
			'postgres',
			`create role "own,er"; create role reader login; comment on role reader is 'it''s "read"'; grant reader to "own,er"`,
		);
		await source.psql('postgres', 'create database app owner "own,er"');
		// A row waits as long as there is a database hold.
		await source.psql(
			'app',
			`set role "own,er"; create function public.waits() returns boolean language plpgsql as $$begin
				while exists (select from pg_catalog.pg_database where datname = 'hold') loop perform pg_catalog.pg_sleep(0.05); end loop;
				return true; end$$;
			create table t (i int check (public.waits())); insert into t values (1); grant select on t to reader`,
		);
		const dumped = await runProgram([...connectTo(source, directory), '-B', clientDirectory(version), 'app']);
		assert.equal(dumped.code, 0, dumped.stderr);
		await target.psql('postgres', 'create role maker login createdb createrole; create database hold');
		servers.set(version, {source, target, directory});
	}
});
after(async () => {
	for (const {source, target} of servers.values()) await Promise.all([source.stop(), target.stop()]);
});

/** Everything that all databases share. */
const catalog = (server: Cluster) =>
	server.psql(
		'postgres',
		`select datname, datdba::regrole, datconnlimit, datallowconn, datistemplate, datacl, shobj_description(oid, 'pg_database')
			from pg_database order by 1;
		select rolname, rolcanlogin, shobj_description(oid, 'pg_authid') from pg_roles order by 1;
		select roleid::regrole, member::regrole from pg_auth_members order by 1, 2`,
	);

const asMaker = ({target, directory}: Servers, ...args: readonly string[]) => [
	...[...connectTo(target, directory, 'maker'), '-B', clientDirectory(target.major), '-d', 'postgres', ...args],
];
const cleanup = (on: Servers) => runProgram(asMaker(on, '--cleanup-restores'));

/** Starts a restore, and waits until it loads the row. */
async function untilLoading(on: Servers, ...args: readonly string[]) {
	const running = await startProgram(asMaker(on, '--restore', 'backup', 'app', ...args));
	const loading = "from pg_stat_activity where datname ~ '^app.pgbk' and query ~ '^COPY'";
	const pid = await waitFor(
		async () => (await on.target.psql('postgres', `select pid ${loading} limit 1`)) || undefined,
		'the load',
		60,
	);
	return {running, pid: Number(pid)};
}

const released = async <T>({target}: Servers, act: () => Promise<T>): Promise<T> => {
	await target.psql('postgres', 'drop database hold');
	try {
		return await act();
	} finally {
		await target.psql('postgres', 'create database hold');
	}
};

const created = /created the roles own,er, reader|created the roles reader, own,er/;

for (const version of versions) {
	const on = () => servers.get(version) ?? assert.fail();

	test(`${version}: a restore that succeeds leaves the roles as dumped, and its user is no member of them`, async () => {
		const {target, source} = on();
		const before = await catalog(target);
		const {running} = await untilLoading(on());
		const {code, stderr} = await released(on(), () => running.ended);
		assert.equal(code, 0, stderr);
		assert.match(stderr, created);
		const comments =
			"select rolname, shobj_description(oid, 'pg_authid') from pg_roles where rolname in ('own,er', 'reader') order by 1";
		assert.equal(await target.psql('postgres', comments), await source.psql('postgres', comments));
		const set = version >= 16 ? 'and (set_option or inherit_option)' : '';
		const members = `select count(*) from pg_auth_members where member = 'maker'::regrole ${set}`;
		assert.equal(await target.psql('postgres', members), '0');
		await target.psql('postgres', 'drop database app; drop role "own,er", reader');
		assert.equal(await catalog(target), before);
		assert.match((await cleanup(on())).stderr, /there is nothing to clean up/);
	});

	test(`${version}: a restore that fails drops the roles that it created`, async () => {
		const {target} = on();
		const before = await catalog(target);
		const {running, pid} = await untilLoading(on());
		await target.psql('postgres', `select pg_terminate_backend(${pid})`);
		const {code, stderr} = await running.ended;
		assert.equal(code, 1, stderr);
		assert.match(stderr, /dropped the created roles own,er, reader: nothing was restored/);
		assert.equal(await catalog(target), before);
	});

	test(`${version}: idle sessions that are ended are replaced, and all that are ended are undone over others`, async () => {
		const {target} = on();
		const before = await catalog(target);
		const sessions = "from pg_stat_activity where application_name ~ '^pg_back restore' and datname = 'postgres'";
		const {running} = await untilLoading(on());
		await target.psql('postgres', `select pg_terminate_backend(pid) ${sessions}`);
		const restored = await released(on(), () => running.ended);
		assert.equal(restored.code, 0, restored.stderr);
		await target.psql('postgres', 'drop database app; drop role "own,er", reader');
		const again = await untilLoading(on());
		await target.psql(
			'postgres',
			`select pg_terminate_backend(${again.pid}); select pg_terminate_backend(pid) ${sessions}`,
		);
		const {code, stderr} = await released(on(), () => again.running.ended);
		assert.equal(code, 1, stderr);
		assert.equal(await catalog(target), before, stderr);
	});

	test(`${version}: SIGKILL: what is left is named and removed by --cleanup-restores`, async () => {
		const {target} = on();
		const before = await catalog(target);
		const {running} = await untilLoading(on());
		const during = await cleanup(on());
		assert.match(during.stderr, /there is nothing to clean up/, 'it is active');
		running.child.kill('SIGKILL');
		await running.ended;
		const gone = "select 1 from pg_stat_activity where application_name ~ '^pg_back restore' and datname = 'postgres'";
		await waitFor(async () => (await target.psql('postgres', gone)) === '', 'the end of its sessions', 60);
		assert.match(await catalog(target), /pg_back: role of unfinished restore/);
		const {code, stderr} = await cleanup(on());
		assert.equal(code, 0, stderr);
		assert.match(stderr, /dropped app\.pgbk-\w{6}: left by a restore that was killed/);
		for (const role of ['own,er', 'reader'])
			assert.match(stderr, new RegExp(`dropped the role ${role}: created by a restore that was killed`));
		assert.match(stderr, /dropped 1 database and 2 roles/);
		assert.equal(await catalog(target), before);
	});

	test(`${version}: SIGKILL, and a role is used meanwhile: it stays, with its comment and without our user`, async () => {
		const {target} = on();
		const {running} = await untilLoading(on());
		running.child.kill('SIGKILL');
		await running.ended;
		await target.psql('postgres', 'create table mine (); grant select on mine to reader');
		const cleaned = await waitFor(
			async () => {
				const ended: Ended = await cleanup(on());
				return /reader/.test(ended.stderr) && ended;
			},
			'the end of its sessions',
			60,
		);
		assert.match(cleaned.stderr, /the role reader, created by a restore that was killed, is kept: it is used/);
		assert.match(await catalog(target), /^reader\|t\|it's "read"$/m);
		const set = version >= 16 ? 'and (set_option or inherit_option)' : '';
		const members = `select count(*) from pg_auth_members where member = 'maker'::regrole ${set}`;
		assert.equal(await target.psql('postgres', members), '0');
		await target.psql('postgres', 'drop table mine; drop role reader');
	});

	test(`${version}: the server dies: --cleanup-restores removes what could not be undone`, async () => {
		const {target} = on();
		const before = await catalog(target);
		const {running, pid} = await untilLoading(on());
		process.kill(pid, 'SIGKILL');
		const {code, stderr} = await running.ended;
		assert.equal(code, 1, stderr);
		const isUp = () => target.psql('postgres', 'select 1').catch(() => undefined);
		await waitFor(isUp, 'the recovery', 60);
		const cleaned = await cleanup(on());
		assert.equal(cleaned.code, 0, cleaned.stderr);
		// If the server is up again in time, another session undoes it.
		assert.match(stderr, /dropped the created roles|--cleanup-restores/);
		assert.equal(await catalog(target), before, cleaned.stderr);
	});
}
