/** Names, comments and settings that were written in the encoding of one database, in a server whose others are in UTF-8. */
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {databasesOf, dropDatabases} from '../helpers/databases.js';
import {connectTo, filesIn, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

const formats = ['custom', 'directory', 'plain', 'tar'];
const names = ['latin', 'japanese', 'ascii', 'utf'];

let source: Cluster;
let target: Cluster;
let directory: string;

before(async () => {
	source = await startCluster({name: 'raw-from'});
	target = await startCluster({name: 'raw-to'});
	directory = scratchDirectory('raw');
	await source.psql(
		'postgres',
		`create role "grée"; create database latin template template0 encoding 'LATIN1' locale 'C';
		create database japanese template template0 encoding 'EUC_JP' locale 'C';
		create database ascii template template0 encoding 'SQL_ASCII' locale 'C'; create database utf;
		alter role "grée" in database latin set my.z = 'é'; grant connect on database latin to "grée"`,
	);
	const texts = {
		latin: "'wie groß'",
		japanese: "'日本語'",
		ascii: String.raw`convert_from('\xe9ff41', 'SQL_ASCII')`,
		utf: "'日本ß'",
	};
	for (const [name, text] of Object.entries(texts))
		await source.psql(
			name,
			`do $$ declare role text := (select rolname from pg_roles where rolname like 'gr%e');
			begin execute format('comment on database %I is %L', current_database(), ${text});
			execute format('alter database %I set my.x to %L', current_database(), ${text});
			execute format('alter role %I in database %I set my.y to %L', role, current_database(), ${text});
			execute format('create table t as select %L::text as a', ${text}); end $$`,
		);
	for (const format of formats)
		succeeded(await runProgram([...connectTo(source, join(directory, format)), '--format', format, ...names]));
});
after(async () => {
	await source.stop();
	await target.stop();
});

function propertiesOf(server: Cluster): Promise<string> {
	return server.psql(
		'postgres',
		`set client_encoding = 'SQL_ASCII';
		select datname, datacl, encode(textsend(shobj_description(d.oid, 'pg_database')), 'hex'), setrole::regrole,
			encode(textsend(array_to_string(setconfig, '|')), 'hex')
		from pg_database d left join pg_db_role_setting on setdatabase = d.oid where datname in ('${names.join("', '")}')
		order by 1, 4`,
	);
}

describe('every byte of comments and settings is restored', () => {
	for (const format of formats)
		test(format, async () => {
			succeeded(await runProgram([...connectTo(target, join(directory, format)), '--restore', ...names]));
			assert.equal(await propertiesOf(target), await propertiesOf(source));
			await dropDatabases(target, ...names);
			await target.psql('postgres', 'drop role "grée"');
		});
});

test('a replacement and its undo keep them too', async () => {
	const at = connectTo(target, join(directory, 'custom'));
	succeeded(await runProgram([...at, '--restore', 'latin']));
	const before = await propertiesOf(target);
	succeeded(await runProgram([...at, '--restore', 'latin', '--replace', '--confirm', 'latin']));
	assert.equal(await propertiesOf(target), before);
	succeeded(await runProgram([...at, '--swap-back', 'latin']));
	assert.equal(await propertiesOf(target), before);
	await dropDatabases(target, ...(await databasesOf(target)));
	await target.psql('postgres', 'drop role "grée"');
});

test('what the target cannot store is named', async () => {
	const own = scratchDirectory('raw-roles');
	await source.psql('utf', 'create role plain; alter table t owner to plain');
	await source.psql('latin', `comment on role plain is 'größe'; create database "bös"`);
	succeeded(await runProgram([...connectTo(source, own)]));
	await source.psql('latin', 'drop database "bös"');
	const restored = succeeded(await runProgram([...connectTo(target, own), '--restore', 'utf']));
	assert.match(restored.stderr, /WARN: not restored for the role plain, because it .* UTF8: its comment/);

	assert.ok(
		filesIn(own).some(name => /^b%F6s_.*\.dump$/.test(name)),
		'the database with such a name was dumped',
	);
	const refused = await runProgram([...connectTo(target, own), '--restore', 'b*']);
	assert.equal(refused.code, 18, refused.stderr);
	assert.match(refused.stderr, /name of the database b\\xf6s has bytes that are not valid in UTF8 \(use --into NAME/);
	succeeded(await runProgram([...connectTo(target, own), '--restore', 'b*', '--into', 'other']));
});

test('a database that exists and cannot be connected to is an error, not one that was dropped', async () => {
	await source.psql('postgres', 'create database "größe"');
	const own = scratchDirectory('raw-latin');
	// A session in a LATIN1 database reads the name in that encoding, and clients send it in UTF-8.
	const run = await runProgram([...connectTo(source, own), '-d', source.connectionString('latin')]);
	assert.equal(run.code, 1, run.stderr);
	assert.match(run.stderr, /dump of grÃ.* failed: database .* exists, but pg_dump cannot connect to it/);
	assert.ok(filesIn(own).some(name => name.startsWith('latin_')));
});
