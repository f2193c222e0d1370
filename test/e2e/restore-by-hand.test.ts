/** A database that is loaded, but could not get its name: it is kept, and what is printed puts it in its place. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {literalGlob} from '../../source/lib/glob.js';
import {identifier, literal} from '../../source/postgres/quote.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

const odd = 'new\nline "q" \\ ü\u{202e}\u{e0041}\'';
const oddComment = 'two\nlines \\ \u{feff}$$ \'"';
let server: Cluster;
let directory: string;

before(async () => {
	// Commits that are not waited for stay in memory.
	server = await startCluster({name: 'by-hand', settings: {wal_writer_delay: '10s', max_prepared_transactions: '2'}});
	directory = scratchDirectory('by-hand');
	await server.psql('postgres', 'create role reader');
	for (const name of [odd, 'app']) {
		await server.psql('postgres', `create database ${identifier(name)}`);
		await server.psql(
			name,
			`create table t as select generate_series(1, 1000) as i;
			create function late(int) returns int immutable language plpgsql as $$begin
				if current_query() ~* '^analyze' and current_setting('my.analyzes', true) = 'no' then raise exception 'not now'; end if;
				return $1; end$$;
			create index on t (late(i))`,
		);
	}
	await server.psql(
		'postgres',
		`comment on database ${identifier(odd)} is ${literal(oddComment)}; grant create on database app to reader;
		alter database ${identifier(odd)} set my.setting to ${literal(oddComment)}`,
	);
	await server.psql('postgres', 'create database bare');
	// The build of an index would flush.
	await server.psql('bare', 'create table t as select generate_series(1, 1000) as i');
	succeeded(await runProgram([...connectTo(server, directory), '--', odd, 'app', 'bare']));
});
after(async () => server.stop());

const restore = (...args: readonly string[]) =>
	runProgram([...connectTo(server, directory), '--restore', 'backup', ...args]);
const databases = () => server.psql('postgres', "select datname from pg_database where datname ~ 'pgbk' order by 1");
/** A hook that runs SQL in the database, and then a shell script. */
function hook(sql: string, {database = 'postgres', more = ''} = {}): readonly string[] {
	const place = scratchDirectory('hook');
	const [file, name, script] = [join(place, 'sql'), join(place, 'name'), join(place, 'script')];
	writeFileSync(file, sql);
	writeFileSync(name, database);
	const psql = `psql -X -h ${server.socketDirectory} -p ${server.port} -U postgres -v ON_ERROR_STOP=1`;
	writeFileSync(script, `PGDATABASE="$(cat ${name})" ${psql} -f ${file} || exit 1\n${more.replaceAll('PSQL', psql)}`);
	return ['--after-restore-hook', `sh ${script}`];
}

function statementsIn({stderr}: Ended): string {
	const found = [...stderr.matchAll(/WARN: (?:\[.*\] )?((?:select|begin|commit|alter|grant|comment) ?.*;)$/gim)];
	return found.map(([, sql]) => sql).join('\n');
}

const properties = (name: string) =>
	server.psql(
		'postgres',
		`select datconnlimit, datacl, shobj_description(d.oid, 'pg_database'), setconfig
		from pg_database d left join pg_db_role_setting s on setdatabase = d.oid where datname = ${literal(name)}`,
	);

test('its name is taken while it is loaded: the printed statements put it in its place', async () => {
	const expected = await properties(odd);
	await server.psql('postgres', `alter database ${identifier(odd)} rename to away`);
	const failed = await restore(
		...hook(`create database ${identifier(odd)} connection limit 7; comment on database ${identifier(odd)} is 'a\nb'`),
		...['--', literalGlob(odd)],
	);
	assert.equal(failed.code, 1, failed.stderr);
	assert.match(failed.stderr, /FATAL: .* is loaded, but it could not be named .*: .*already exists/);
	const kept = await databases();
	assert.match(kept, /pgbk-\w{6}$/);

	const cleaned = succeeded(await runProgram([...connectTo(server, directory), '--cleanup-restores']));
	const drop = /stays, kept from a failed restore, complete, run \S+: (drop database .*;) drops it$/m.exec(
		cleaned.stderr,
	);
	assert.ok(drop?.[1], cleaned.stderr);
	succeeded(await restore('app', '--into', 'other'));
	assert.equal(await databases(), kept);
	const present = await properties(odd);

	await server.psql('postgres', statementsIn(failed));
	assert.equal(await server.psql(odd, 'select count(*) from t'), '1000');
	assert.equal(await properties(odd), expected);
	succeeded(await runProgram([...connectTo(server, directory), '--swap-back', odd]));
	assert.equal(await properties(odd), present);
	assert.equal(await databases(), '');
});

test('it is dropped by somebody before it gets its name: an error', async () => {
	const find = "select format('drop database %I with (force)', datname) from pg_database where datname ~ 'pgbk'";
	const more = `PSQL -d postgres -Atc "${find}" | PSQL -d postgres`;
	const failed = await restore('--into', 'dropped', 'app', ...hook('select 1', {more}));
	assert.equal(failed.code, 1, failed.stderr);
	assert.match(failed.stderr, /FATAL: .*pgbk.*does not exist/);
	assert.equal(await databases(), '');
});

test('a swap that fails: the printed statements do it', async () => {
	const present = await properties(odd);
	const failed = await restore(
		...['--replace', '--confirm', `"${odd.replaceAll('"', '""')}"`],
		...hook("begin; create table t (); prepare transaction 'x'", {database: odd}),
		...['--', literalGlob(odd)],
	);
	assert.equal(failed.code, 1, failed.stderr);
	assert.match(failed.stderr, /has 1 prepared transaction/);
	await server.psql(odd, "rollback prepared 'x'");
	await server.psql('postgres', statementsIn(failed));
	assert.equal(await server.psql(odd, 'select count(*) from t'), '1000');
	succeeded(await runProgram([...connectTo(server, directory), '--swap-back', odd]));
	assert.equal(await properties(odd), present);
});

test('a privilege cannot be set, because its role was dropped meanwhile', async () => {
	const failed = await restore(...['--into', 'second', 'app', ...hook('drop owned by reader; drop role reader')]);
	assert.equal(failed.code, 1, failed.stderr);
	assert.match(failed.stderr, /is loaded, but it could not be named second: .*role "reader" does not exist/);
	await server.psql('postgres', 'create role reader');
	await server.psql('postgres', statementsIn(failed));
	assert.match(await properties('second'), /^-1\|.*reader=C\/postgres.*\|\|$/);
	assert.equal(await server.psql('second', 'select count(*) from t'), '1000');
});

test('a table cannot be analyzed', async () => {
	await server.psql('postgres', "alter role postgres set my.analyzes = 'no'");
	try {
		const failed = await restore('--into', 'third', 'app');
		assert.equal(failed.code, 1, failed.stderr);
		assert.match(failed.stderr, /is loaded, but it could not be checked: .*not now/);
		await server.psql('postgres', statementsIn(failed));
		assert.equal(await server.psql('third', 'select count(*) from t'), '1000');
	} finally {
		await server.psql('postgres', 'alter role postgres reset all');
	}
});

test('a crash of the server after loading loses none of what was loaded', async () => {
	const crash = `kill -9 $(PSQL -d postgres -AtXc "select pid from pg_stat_activity where backend_type = 'checkpointer'")
until PSQL -d postgres -c 'select 1' >/dev/null 2>&1 && ! PSQL -d postgres -c 'select 1' 2>&1 | grep -q recovery; do sleep 0.1; done`;
	const {code, stderr} = await restore(
		...['--into', 'fourth', '--analyze', 'no', '--compare', 'none', 'bare', ...hook('select 1', {more: crash})],
	);
	assert.match(server.log(), /all server processes terminated; reinitializing/);
	assert.equal(code, 0, stderr);
	assert.equal(await server.psql('fourth', 'select count(*) from t'), '1000');
});
