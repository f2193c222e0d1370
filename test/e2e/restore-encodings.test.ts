/** Databases that are not in UTF-8, with names that all databases of the server share. */
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {dropDatabases, textOf} from '../helpers/databases.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

const formats = ['custom', 'directory', 'plain', 'tar'];
const names = ['größe', 'koi', 'ascii'];
const roles = ['jörg ñ', 'grée'];

let source: Cluster;
let target: Cluster;
let directory: string;

before(async () => {
	source = await startCluster({name: 'encodings-from'});
	target = await startCluster({name: 'encodings-to'});
	directory = scratchDirectory('encodings');
	await source.psql(
		'postgres',
		`create role "jörg ñ"; create role "grée"; create database "größe" template template0 encoding 'LATIN1' locale 'C' owner "jörg ñ";
		comment on database "größe" is 'wie groß'; alter database "größe" set my.x = 'groß'; grant connect on database "größe" to "grée";
		alter role "grée" in database "größe" set my.y = 'é';
		create database koi template template0 encoding 'KOI8R' locale 'C'; create database ascii template template0 encoding 'SQL_ASCII' locale 'C'`,
	);
	const owned = `do $$ declare one text := (select rolname from pg_roles where rolname like 'j%rg%'); other text := (select rolname from pg_roles where rolname like 'gr%e');
		begin execute format('alter table t owner to %I', one); execute format('grant select on t to %I', other);
			execute format('alter table t enable row level security'); execute format('create policy p on t to %I using (true)', other); end $$`;
	await source.psql('größe', `create table t as select 1 as a; create table "tüe" as select 'ä' as "sp ä"; ${owned}`);
	await source.psql('koi', `create table t as select 1 as a; create table "таблица" as select 'привет' as a; ${owned}`);
	await source.psql('ascii', `create table "tü" as select '\\x'::bytea as a; insert into "tü" values ('\\xff')`);
	for (const format of formats)
		succeeded(await runProgram([...connectTo(source, join(directory, format)), '--format', format, ...names]));
});
after(async () => {
	await source.stop();
	await target.stop();
});

async function propertiesOf(server: Cluster): Promise<string> {
	return server.psql(
		'postgres',
		`select datname, pg_get_userbyid(datdba), datacl, shobj_description(d.oid, 'pg_database'), setrole::regrole, setconfig
		from pg_database d left join pg_db_role_setting on setdatabase = d.oid where not datistemplate and datname <> 'postgres' order by 1, 5`,
	);
}

describe('every format: rows, owners, privileges and properties are as in the dump', () => {
	for (const format of formats)
		test(format, async () => {
			succeeded(await runProgram([...connectTo(target, join(directory, format)), '--restore', ...names]));
			for (const name of names) assert.equal(textOf(target, name), textOf(source, name));
			assert.equal(await propertiesOf(target), await propertiesOf(source));
			await dropDatabases(target, ...names);
			for (const role of roles) await target.psql('postgres', `drop role "${role}"`);
		});
});
