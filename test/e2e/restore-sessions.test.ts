/** Sessions that a restore loses while they are idle, such as to a firewall or to an administrator. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {databasesOf, dropDatabases} from '../helpers/databases.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, runProgram, scratchDirectory, startProgram, succeeded} from '../helpers/program.js';

let server: Cluster;
let directory: string;

before(async () => {
	server = await startCluster({name: 'restore-sessions'});
	directory = scratchDirectory('restore-sessions');
	await server.psql('postgres', 'create database app');
	await server.psql('app', 'create table t as select 1 as i');
	succeeded(await runProgram(connectTo(server, directory)));
	await dropDatabases(server, 'app');
});
after(async () => server.stop());

const locks =
	"from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.classid = 1885823595";
const ended = (which: string) =>
	server.psql(
		'postgres',
		`select count(pg_terminate_backend(pid)) from (select pid ${locks} order by backend_start ${which}) x`,
	);
test('all of them are lost after loading: the database gets its name', async () => {
	for (const args of [[], ['--replace', '--confirm', 'app']]) {
		const end = `psql -X -h ${server.socketDirectory} -p ${server.port} -U postgres -d postgres -c "select pg_terminate_backend(pid) ${locks}"`;
		const {code, stderr} = await runProgram([
			...[...connectTo(server, directory), '--restore', 'backup', 'app', ...args],
			...['--after-restore-hook', end],
		]);
		assert.equal(code, 0, stderr);
		assert.equal(await server.psql('app', 'select i from t'), '1');
		assert.ok((await databasesOf(server)).every(name => !name.includes('pgbk')));
	}
});

test('one of them is lost: another restore and --cleanup-restores leave the database alone', async () => {
	const go = join(scratchDirectory('go'), 'go');
	const running = await startProgram([
		...[...connectTo(server, directory), '--restore', 'backup', 'app', '--into', 'third'],
		...['--after-restore-hook', `sh -c 'while test ! -e ${go}; do sleep 0.1; done'`],
		...['--progress-interval', '1'],
	]);
	await waitFor(
		async () => (await server.psql('postgres', `select count(*) ${locks}`)) === '2',
		'both locks of the restore',
		60,
	);
	assert.equal(await ended('limit 1'), '1');
	const cleaned = succeeded(await runProgram([...connectTo(server, directory), '--cleanup-restores']));
	assert.match(cleaned.stderr, /there is nothing to clean up/);
	writeFileSync(go, '');
	const {code, stderr} = await running.ended;
	assert.equal(code, 0, stderr);
	assert.equal(await server.psql('third', 'select i from t'), '1');
});
