import assert from 'node:assert/strict';
import {test} from 'node:test';
import {createDatabaseScript} from '../../source/postgres/create-database.js';
import {settingLiteral} from '../../source/postgres/database-settings.js';
import {type Cluster, realServerVersions, startCluster} from '../helpers/cluster.js';
import {sessionOn} from '../helpers/postgres.js';

const roles = `create role owner; create role "a b"; create role "x=y/z"; create role "it's \\ ""q"""; create role plain;`;
const grants = `
	create database "My ""db"" \\ '=x" owner "a b" connection limit 7 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0;
	comment on database "My ""db"" \\ '=x" is 'it''s \\ a comment';
	revoke all on database "My ""db"" \\ '=x" from public;
	grant create on database "My ""db"" \\ '=x" to "x=y/z" with grant option;
	set session authorization "x=y/z"; grant create on database "My ""db"" \\ '=x" to "it's \\ ""q"""; reset session authorization;
	grant connect, temporary on database "My ""db"" \\ '=x" to plain;
	alter database "My ""db"" \\ '=x" set search_path = "$user", "we ird", 'x;drop', '';
	alter database "My ""db"" \\ '=x" set datestyle = 'ISO, DMY';
	alter database "My ""db"" \\ '=x" set my.own = 'a=b=c''d\\';
	alter role "it's \\ ""q""" in database "My ""db"" \\ '=x" set work_mem = '7MB';
	alter role plain in database "My ""db"" \\ '=x" set search_path = '';
	alter role plain in database "My ""db"" \\ '=x" set temp_tablespaces = '';
	create database pub; grant create on database pub to public;
	create database less owner owner; revoke temporary on database less from owner; revoke temporary on database less from public;
	create database none owner owner; revoke all on database none from owner; revoke all on database none from public;
	create database untouched owner owner;
	create database tmpl is_template true;
	create database "line
break";
	alter database "line
break" set statement_timeout = 5;`;

/** Everything that the script has to bring back; entries of datacl in any order. */
const state = (names: readonly string[], newer: string) => `
	select datname, r.rolname, pg_encoding_to_char(encoding), datcollate, datctype, datistemplate, datconnlimit, ${newer}
		datacl is null, (select array_agg(a::text order by a::text) from unnest(datacl) a), shobj_description(d.oid, 'pg_database'),
		(select array_agg(coalesce(s.rolname::text, '') || ':' || (select array_agg(x order by x) from unnest(c.setconfig) x)::text order by s.rolname)
			from pg_db_role_setting c left join pg_roles s on s.oid = c.setrole where c.setdatabase = d.oid)
	from pg_database d join pg_roles r on r.oid = datdba
	where datname in (${names.map(name => `'${name.replaceAll("'", "''")}'`).join(', ')}) order by datname`;

async function roundTrip(source: Cluster, target: Cluster, names: readonly string[]): Promise<void> {
	const session = await sessionOn(source);
	for (const name of names) {
		const {text, warnings} = await createDatabaseScript(session, name);
		assert.deepEqual(warnings, []);
		await target.psql('postgres', text);
	}
	await session.close();
	const newer =
		source.major >= 17
			? 'datlocprovider, datlocale, daticurules,'
			: source.major >= 16
				? 'datlocprovider, daticulocale, daticurules,'
				: source.major >= 15
					? 'datlocprovider, daticulocale,'
					: '';
	assert.equal(await target.psql('postgres', state(names, newer)), await source.psql('postgres', state(names, newer)));
}

const names = [`My "db" \\ '=x`, 'pub', 'less', 'none', 'untouched', 'tmpl', 'line\nbreak'];

for (const [version] of realServerVersions()) {
	test(`createdb.sql brings databases back, PostgreSQL ${version}`, async () => {
		const [source, target] = await Promise.all([startCluster({version}), startCluster({version})]);
		try {
			await source.psql('postgres', roles + grants);
			await target.psql('postgres', roles);
			const all = [...names];
			if (version >= 15) {
				const hasIcu = await source.psql('postgres', "select count(*) > 0 from pg_collation where collprovider = 'i'");
				if (hasIcu === 't') {
					const rules = version >= 16 ? " icu_rules '&a < g'" : '';
					await source.psql(
						'postgres',
						`create database icu template template0 locale_provider icu icu_locale 'de-DE'${rules}`,
					);
					all.push('icu');
				} else console.log(`PostgreSQL ${version} here has no ICU: its databases are not tested`);
			}
			if (version >= 17) {
				await source.psql(
					'postgres',
					`create database builtin template template0 locale_provider builtin builtin_locale 'C.UTF-8'`,
				);
				all.push('builtin');
			}
			await roundTrip(source, target, all);
		} finally {
			await source.stop();
			await target.stop();
		}
	});
}

test('createdb.sql, to the letter', async () => {
	const cluster = await startCluster();
	try {
		await cluster.psql(
			'postgres',
			`create role o; create database d owner o connection limit 3; grant create on database d to public;
			alter database d set search_path = a, b`,
		);
		const session = await sessionOn(cluster);
		const {text} = await createDatabaseScript(session, 'd');
		assert.equal(
			text,
			`--
-- Database creation
--

CREATE DATABASE "d" WITH TEMPLATE = template0 OWNER = "o" ENCODING = 'UTF8' LC_COLLATE = 'C.UTF-8' LC_CTYPE = 'C.UTF-8' CONNECTION LIMIT = 3;

--
-- Database privileges 
--

REVOKE ALL ON DATABASE "d" FROM PUBLIC;
GRANT CREATE ON DATABASE "d" TO PUBLIC;
GRANT TEMPORARY ON DATABASE "d" TO PUBLIC;
GRANT CONNECT ON DATABASE "d" TO PUBLIC;

ALTER DATABASE "d" SET "search_path" TO 'a', 'b';
`,
		);
		await assert.rejects(createDatabaseScript(session, 'nope'), {code: 'DATABASE_GONE'});
		assert.equal((await createDatabaseScript(session, 'template0')).text.includes('CREATE DATABASE'), false);
		await session.close();
	} finally {
		await cluster.stop();
	}
});

test('values after SET', () => {
	assert.equal(settingLiteral('search_path', '"$user", public, "a""b, c"'), `'$user', 'public', 'a"b, c'`);
	assert.equal(settingLiteral('Search_Path', ''), `''`);
	assert.equal(settingLiteral('search_path', '""'), `''`);
	assert.equal(settingLiteral('datestyle', 'ISO, MDY'), `'ISO, MDY'`);
	assert.equal(settingLiteral('my.x', `a'b\\c`), `E'a''b\\\\c'`);
});
