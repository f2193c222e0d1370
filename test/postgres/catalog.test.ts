import assert from 'node:assert/strict';
import {appendFileSync} from 'node:fs';
import {after, before, describe, test} from 'node:test';
import {listDatabases, serverInfo} from '../../source/postgres/catalog.js';
import {readServerFile, readSettings} from '../../source/postgres/server-files.js';
import type {Session} from '../../source/postgres/session.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {sessionOn} from '../helpers/postgres.js';

const text = (content: Uint8Array | undefined) => (content === undefined ? undefined : Buffer.from(content).toString());

describe('catalog and server files', () => {
	let cluster: Cluster;
	let admin: Session;
	let reader: Session;
	before(async () => {
		cluster = await startCluster({
			name: 'catalog',
			settings: {
				search_path: '"$user", public, "we ird"',
				datestyle: 'iso, dmy',
				log_line_prefix: "it's \\ %m\t",
				'my.own': 'a=b;c#d',
			},
		});
		await cluster.psql(
			'postgres',
			`create role reader login; grant pg_read_all_data to reader; create role owner login; create role plain login;
			create database "b'\\ \n=x" owner owner; create database hidden; revoke connect on database hidden from public;
			create database closed allow_connections false; create database gone;
			update pg_database set datconnlimit = -2 where datname = 'gone'`,
		);
		admin = await sessionOn(cluster);
		reader = await sessionOn(cluster, {user: 'reader'});
	});
	after(async () => {
		await admin.close();
		await reader.close();
		await cluster.stop();
	});

	test('the server says what it is and who we are', async () => {
		const server = await serverInfo(admin);
		assert.match(server.version, /^\d+(\.\d+)?$/);
		assert.deepEqual(
			[server.superuser, server.canReadRolePasswords, server.inRecovery, server.user],
			[true, true, false, 'postgres'],
		);
		assert.equal(
			server.systemIdentifier,
			await cluster.psql('postgres', 'select system_identifier from pg_control_system()'),
		);
		const plain = await sessionOn(cluster, {user: 'plain'});
		const other = await serverInfo(plain);
		assert.deepEqual([other.superuser, other.canReadRolePasswords, other.user], [false, false, 'plain']);
		await cluster.psql('postgres', 'grant select on pg_authid to plain');
		assert.equal((await serverInfo(plain)).canReadRolePasswords, true);
		await plain.close();
	});

	test('every database, with what matters of it', async () => {
		const databases = await listDatabases(admin, {sizes: true});
		assert.deepEqual(
			databases.map(one => one.name),
			["b'\\ \n=x", 'closed', 'gone', 'hidden', 'postgres', 'template0', 'template1'],
		);
		const named = new Map(databases.map(one => [one.name, one]));
		assert.deepEqual(
			[named.get('closed')?.allowsConnections, named.get('template1')?.isTemplate, named.get('gone')?.invalid],
			[false, true, true],
		);
		assert.equal(named.get("b'\\ \n=x")?.owner, 'owner');
		assert.ok(databases.every(one => (one.size ?? 0) > 1_000_000));
	});

	test('sizes that we may not know are left out', async () => {
		const databases = await listDatabases(reader, {sizes: true});
		assert.equal(databases.find(one => one.name === 'hidden')?.size, undefined);
		assert.ok((databases.find(one => one.name === 'postgres')?.size ?? 0) > 1_000_000);
		assert.ok((await listDatabases(reader, {sizes: false})).every(one => one.size === undefined));
	});

	test('sizes of named databases only', async () => {
		const names = ["b'\\ \n=x", 'postgres', 'missing', 'no\0name'];
		const databases = await listDatabases(admin, {sizes: names});
		const sized = databases.filter(one => one.size !== undefined).map(one => one.name);
		assert.deepEqual(sized, ["b'\\ \n=x", 'postgres']);
		assert.ok((await listDatabases(admin, {sizes: ['no\0name']})).every(one => one.size === undefined));
	});

	test('settings are lines that a server takes', async () => {
		const {content, warning} = await readSettings(admin);
		assert.equal(warning, undefined);
		const lines = text(content)!;
		assert.match(lines, /^search_path = '"\$user", public, "we ird"'$/m);
		assert.match(lines, /^log_line_prefix = 'it''s \\\\ %m\t'$/m);
		const settings: Record<string, string> = Object.fromEntries(
			[...lines.matchAll(/^(\S+) = '(.*)'$/gm)].map(([, name, value]) => [
				name!,
				value!.replaceAll("''", "'").replaceAll('\\\\', '\\'),
			]),
		);
		assert.equal(Object.keys(settings).length, lines.trimEnd().split('\n').length);
		Reflect.deleteProperty(settings, 'port');
		Reflect.deleteProperty(settings, 'unix_socket_directories');
		const copy = await startCluster({settings});
		const query =
			"select string_agg(name || '=' || setting, E'\\n' order by name) from pg_settings where name in ('search_path', 'DateStyle', 'log_line_prefix', 'my.own', 'fsync')";
		assert.equal(await copy.psql('postgres', query), await cluster.psql('postgres', query));
		await copy.stop();
	});

	test('settings of a server before 9.5 come from pg_settings', async () => {
		const old = {...admin, serverVersion: 90_400};
		const {content, warning} = await readSettings(old);
		assert.match(text(content)!, /^fsync = 'off'$/m);
		assert.match(warning!, /older than 9\.5/);
		assert.match((await readSettings({...admin, serverVersion: 80_300})).warning!, /8\.4 or newer/);
	});

	test('hba and ident, to the byte, below their path', async () => {
		for (const name of ['hba_file', 'ident_file'] as const) {
			const {content, warning} = await readServerFile(admin, name);
			assert.equal(warning, undefined);
			const path = await cluster.psql('postgres', `show ${name}`);
			assert.equal(
				text(content),
				`# path: ${path}\n${await cluster.psql('postgres', `select pg_read_file('${path}')`)}\n`,
			);
		}
		appendFileSync(`${cluster.directory}/data/pg_ident.conf`, Buffer.from('# caf\u00e9\n', 'latin1'));
		const {content} = await readServerFile(admin, 'ident_file');
		assert.ok(Buffer.from(content!).includes(Buffer.from('caf\u00e9\n', 'latin1')));
	});

	test('what may not be read is a warning that names the right', async () => {
		assert.match(
			(await readSettings(reader)).warning!,
			/^settings are not dumped: user reader lacks execute on function pg_show_all_file_settings/,
		);
		assert.match(
			(await readServerFile(reader, 'hba_file')).warning!,
			/^hba_file is not dumped: user reader lacks membership in pg_read_all_settings/,
		);
		await cluster.psql('postgres', 'grant pg_read_all_settings to reader');
		assert.match((await readServerFile(reader, 'hba_file')).warning!, /lacks execute on function pg_read_binary_file/);
		await cluster.psql('postgres', 'grant execute on function pg_read_file(text) to reader');
		const {content, warning} = await readServerFile(reader, 'hba_file');
		assert.ok(content, warning);
		await cluster.psql('postgres', `alter system set ident_file = '/etc/hostname'`);
		const moved = {
			...reader,
			query: (sql: string) => reader.query(sql.replace('pg_read_file(setting)', "pg_read_file('/etc/hostname')")),
		};
		assert.match(
			(await readServerFile(moved, 'ident_file')).warning!,
			/absolute path not allowed.*pg_read_server_files/,
		);
		await cluster.psql('postgres', 'alter system reset ident_file');
	});
});
