import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {PgBackError} from '../../source/core/errors.js';
import {decodeRaw} from '../../source/lib/raw-text.js';
import {buildConnection, type ChildConnection, type ConnectionOptions} from '../../source/postgres/connection.js';
import {toolEnvironment} from '../../source/postgres/environment.js';
import {secretVariables} from '../../source/storage/definitions.js';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';

const psqlPath = join(clientDirectory(), 'psql');
const whoAmI = `select current_user || '|' || current_database() || '|' || current_setting('port')`;

/** What psql reaches with these arguments: user, database and port, or `failed`. */
function reach(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<string> {
	return new Promise(resolve => {
		const child = execFile(psqlPath, ['-XAtqw', ...args, '-f', '-'], {env}, (error, stdout) =>
			resolve(error ? 'failed' : stdout.trim()),
		);
		child.stdin?.on('error', () => undefined);
		child.stdin?.end(whoAmI);
	});
}

/** Given to psql as they stand, `-h -p -U` and `-d`, and through a Connection: both must reach the same. */
async function compare(options: ConnectionOptions, env: Readonly<Record<string, string>>): Promise<string> {
	const args: string[] = [];
	const isString = options.dbname !== undefined && /=|^postgres(ql)?:\/\//.test(options.dbname);
	if (options.host && !isString) args.push('-h', options.host);
	if (options.port && !isString) args.push('-p', String(options.port));
	if (options.dbname !== undefined) args.push('-d', options.dbname);
	const direct = await reach(args.concat(options.user && !isString ? ['-U', options.user] : []), env);
	let ours: string;
	try {
		const connection = await buildConnection(options, env);
		const child = connection.forSession();
		ours = await reach(child.args, child.env);
		await connection.dispose();
	} catch (error) {
		assert.ok(error instanceof PgBackError, String(error));
		ours = 'failed';
	}
	assert.equal(ours, direct);
	return direct;
}

describe('connections, compared with psql', () => {
	let cluster: Cluster;
	let env: Record<string, string>;
	let home: string;
	before(async () => {
		cluster = await startCluster({auth: 'scram-sha-256', name: 'conn'});
		await cluster.psql(
			'postgres',
			`create role bob login password 'p\\w:''x y' superuser; create database bob; create database "a=b";
			create database "it's \\ odd"; create database "postgresql://x"; create role "weird =user" login password 'w'`,
		);
		home = mkdtempSync(join(tmpdir(), 'pgb-home-'));
		env = {PATH: process.env['PATH']!, HOME: home};
		writeFileSync(
			join(home, '.pg_service.conf'),
			`[svc]\nhost=${cluster.socketDirectory}\nport=${cluster.port}\nuser=bob\ndbname=postgres\n`,
		);
		writeFileSync(join(home, 'pass'), `*:*:*:bob:p\\\\w\\:'x y\n*:*:*:postgres:secret\n`, {mode: 0o600});
	});
	after(async () => {
		await cluster.stop();
		rmSync(home, {recursive: true, force: true});
	});

	test('strings, parts, variables, services and password files reach the same as psql', async () => {
		const {port, socketDirectory: socket} = cluster;
		const quoted = `p\\\\w:\\'x y`;
		const encoded = encodeURIComponent("p\\w:'x y").replaceAll("'", '%27');
		const dir = encodeURIComponent(socket);
		const reached = async (options: ConnectionOptions, more: Record<string, string> = {}) =>
			compare(options, {...env, ...more});
		const bob = `bob|postgres|${port}`;
		assert.equal(
			await reached({dbname: `host=${socket} port=${port} user=bob password='${quoted}' dbname=postgres`}),
			bob,
		);
		assert.equal(await reached({dbname: `postgresql://bob:${encoded}@127.0.0.1:${port}/postgres`}), bob);
		assert.equal(await reached({dbname: `postgres://bob:${encoded}@/postgres?host=${dir}&port=${port}`}), bob);
		assert.equal(await reached({dbname: `postgres://bob:${encoded}@${dir}:${port}/postgres`}), bob);
		assert.equal(
			await reached({dbname: `postgres://bob:${encoded}@nowhere.invalid:1,127.0.0.1:${port}/postgres`}),
			bob,
		);
		assert.equal(await reached({dbname: `postgres://bob:${encoded}@127.0.0.1,127.0.0.1/postgres?port=${port}`}), bob);
		assert.equal(
			await reached({dbname: `postgres://bob:${encoded}@h1,h2/postgres?hostaddr=127.0.0.1,127.0.0.1&port=${port}`}),
			bob,
		);
		assert.equal(await reached({dbname: `postgres://bob:${encoded}@h1,h2/postgres`}, {PGPORT: String(port)}), 'failed');
		assert.equal(
			await reached(
				{dbname: `host=127.0.0.1 user=bob gssencmode=disable keepalives=1 target_session_attrs=any dbname=bob`},
				{PGPORT: String(port), PGPASSWORD: "p\\w:'x y"},
			),
			`bob|bob|${port}`,
		);
		assert.equal(await reached({host: socket, port, user: 'bob'}, {PGPASSWORD: "p\\w:'x y"}), `bob|bob|${port}`);
		assert.equal(
			await reached({host: socket, port, user: 'bob', dbname: "it's \\ odd"}, {PGPASSWORD: "p\\w:'x y"}),
			`bob|it's \\ odd|${port}`,
		);
		assert.equal(
			await reached(
				{},
				{PGHOST: socket, PGPORT: String(port), PGUSER: 'bob', PGDATABASE: 'a=b', PGPASSFILE: join(home, 'pass')},
			),
			`bob|a=b|${port}`,
		);
		assert.equal(
			await reached({dbname: `passfile=${join(home, 'pass')} host=${socket} port=${port} user=postgres`}),
			`postgres|postgres|${port}`,
		);
		assert.equal(await reached({dbname: `service=svc`}, {PGPASSWORD: "p\\w:'x y"}), bob);
		assert.equal(await reached({dbname: `service=svc password='${quoted}'`}), bob);
		assert.equal(await reached({}, {PGSERVICE: 'svc', PGPASSFILE: join(home, 'pass')}), bob);
		assert.equal(await reached({dbname: 'service=nope'}), 'failed');
		assert.equal(await reached({dbname: `host=${socket} port=${port} user=bob password=wrong`}), 'failed');
		assert.equal(await reached({dbname: `host=${socket} port=${port} user=bob bogus=1`}), 'failed');
		assert.equal(
			await reached({dbname: `host=${socket} port=${port} user=bob dbname=nope password='${quoted}'`}),
			'failed',
		);
		assert.equal(await reached({dbname: 'postgresql://[::1'}), 'failed');
	});

	test('any database name is reached, by pg_dump too', async () => {
		const connection = await buildConnection(
			{host: cluster.socketDirectory, port: cluster.port, user: 'postgres'},
			{...env, PGPASSWORD: 'secret'},
		);
		for (const name of ['a=b', "it's \\ odd", 'postgresql://x']) {
			const child = connection.forDatabase(name);
			assert.equal(await reach(child.args, child.env), `postgres|${name}|${cluster.port}`);
			await run('pg_dump', ['-s', ...child.args], child.env);
			const old = connection.forDatabase(name, {byEnvironment: true});
			assert.deepEqual(old.args, []);
			assert.equal(await reach(old.args, old.env), `postgres|${name}|${cluster.port}`);
			const other = await buildConnection(
				{
					host: cluster.socketDirectory,
					port: cluster.port,
					user: 'bob',
					dbname: `dbname='${name.replaceAll(/['\\]/g, '\\$&')}' host=${cluster.socketDirectory} port=${cluster.port}`,
				},
				{...env, PGPASSWORD: 'secret'},
			);
			const globals = (
				await buildConnection(
					{dbname: other.describe().replace('user=bob', 'user=postgres')},
					{...env, PGPASSWORD: 'secret'},
				)
			).forGlobals();
			assert.equal(globals.args[0], '-l');
			assert.match(await run('pg_dumpall', ['-g', '-w', ...globals.args], globals.env), /CREATE ROLE bob/);
			await other.dispose();
		}
		assert.match(
			await run('pg_dumpall', ['-g', '-w', ...connection.forGlobals().args], connection.forGlobals().env),
			/CREATE ROLE bob/,
		);
		await connection.dispose();
	});

	test("-U beats the string, a database's own user beats both", async () => {
		const connection = await buildConnection(
			{dbname: `host=${cluster.socketDirectory} port=${cluster.port} user=bob`, user: 'postgres'},
			{...env, PGPASSWORD: 'secret'},
		);
		const child = connection.forSession();
		assert.equal(await reach(child.args, child.env), `postgres|postgres|${cluster.port}`);
		assert.match(connection.forDatabase('x', {user: 'weird =user'}).args[1]!, /user='weird =user'/);
		await connection.dispose();
	});
});

describe('secrets', () => {
	const all = (child: ChildConnection) => JSON.stringify([child.args, child.env]);

	test('stand in no argument and no variable, but in a file of mode 0600 that goes', async () => {
		const env = {
			HOME: '/',
			PATH: '/bin',
			PGPASSWORD: 's3cret',
			AWS_SECRET_ACCESS_KEY: 'aws',
			PGBK_CIPHER_PASS: 'pgbk',
			LC_ALL: 'C',
			KRB5CCNAME: 'k',
		};
		for (const dbname of [
			'host=x password=s3cret',
			'postgresql://u:s3cret@x/',
			'postgresql://x/?password=s3cret',
			undefined,
		]) {
			const connection = await buildConnection({dbname, host: 'x'}, toolEnvironment(env, secretVariables));
			const child = connection.forDatabase('db');
			assert.doesNotMatch(
				all(child) + all(connection.forGlobals()) + all(connection.forSession()) + connection.describe(),
				/s3cret|aws|pgbk|PGPASSWORD/,
			);
			assert.doesNotMatch(all(connection.forDatabase('db', {byEnvironment: true})), /s3cret/);
			const file = child.env['PGPASSFILE']!;
			assert.equal(readFileSync(file, 'utf8'), '*:*:*:*:s3cret\n');
			assert.deepEqual([statSync(file).mode & 0o777, statSync(dirname(file)).mode & 0o777], [0o600, 0o700]);
			assert.equal(child.env['KRB5CCNAME'], 'k');
			await connection.dispose();
			assert.equal(existsSync(dirname(file)), false);
		}
	});

	test('others than the password go by a service file', async () => {
		const connection = await buildConnection({dbname: 'host=x sslpassword=s3cret sslkey=/k'}, {PATH: '/bin'});
		const child = connection.forDatabase('db');
		assert.doesNotMatch(all(child) + connection.describe(), /s3cret/);
		assert.equal(readFileSync(child.env['PGSERVICEFILE']!, 'utf8'), '[pg_back]\nsslpassword=s3cret\n');
		assert.match(child.args[1]!, /service=pg_back/);
		await connection.dispose();
		await assert.rejects(buildConnection({dbname: 'service=s sslpassword=s3cret'}, {}), {code: 'CONFIG'});
	});

	test('the application name is ours unless the string has one', async () => {
		const ours = await buildConnection({host: 'x'}, {PGAPPNAME: 'env'});
		assert.equal(ours.describe(), 'application_name=pg_back host=x');
		assert.equal(ours.forDatabase('d', {applicationName: 'pg_back 7 d'}).applicationName, 'pg_back 7 d');
		assert.deepEqual(ours.forDatabase('d', {applicationName: 'pg_back 7 d'}).args, [
			'-d',
			"application_name='pg_back 7 d' dbname=d host=x",
		]);
		const theirs = await buildConnection({dbname: 'application_name=x'}, {});
		assert.equal(theirs.forDatabase('d', {applicationName: 'y'}).applicationName, 'x');
	});
});

function run(tool: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
	return new Promise((resolve, reject) => {
		execFile(join(clientDirectory(), tool), args, {env}, (error, stdout, stderr) =>
			error ? reject(new Error(stderr)) : resolve(stdout),
		);
	});
}

test('a name with bytes that are not UTF-8 is passed in a URI', async () => {
	const connection = await buildConnection({host: '/tmp/a b', user: 'é'}, {});
	const name = decodeRaw(Buffer.from('b\xF6s', 'latin1'));
	const [, uri = ''] = connection.forDatabase(name).args;
	assert.match(uri, /^postgresql:\/\/\?.*dbname=%62%f6%73&.*user=%c3%a9/);
	const [, session = ''] = connection.forSession(name).args;
	assert.match(session, /dbname=%62%f6%73&.*keepalives_idle=%36%30/);
	await connection.dispose();
});
