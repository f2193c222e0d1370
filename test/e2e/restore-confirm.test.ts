/** Names that a list, a pattern or a shell could misread: confirmed, found and brought back as they are. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory} from '../helpers/program.js';

let server: Cluster;
let directory: string;
const names = ['a,b', 'a', 'b', 'say "hi"', ' edge ', 'new\nline', '-dash', '*'];
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
/** Each of `a,b`, `a` and `b` is another database. */
const ids = new Map(names.map((name, index) => [name, String(index)]));

before(async () => {
	server = await startCluster({name: 'restore-confirm'});
	directory = scratchDirectory('restore-confirm');
	for (const name of names) {
		await server.psql('postgres', `create database ${quoted(name)}`);
		await server.psql(
			name,
			`create schema "up.Per"; create table "up.Per".${quoted(name)} as select ${ids.get(name)} as i;
			create table "up.Per"."other" ()`,
		);
	}
	const backup = await runProgram([...connectTo(server, directory), '--', ...names]);
	assert.equal(backup.code, 0, backup.stderr);
});
after(async () => server.stop());

const restore = (...args: readonly string[]) =>
	runProgram([...connectTo(server, directory), '--restore', 'backup', ...args]);
const rows = (name: string) => server.psql(name, `select string_agg(i::text, ',') from "up.Per".${quoted(name)}`);
const databases = () => server.psql('postgres', 'select oid, datname from pg_database order by oid');
/** A glob that is the name. */
const literal = (name: string) => name.replace('*', '\\*');

/** Returns the words of a part of a log line, as a shell reads it. */
function wordsOf(text: string): readonly string[] {
	return execFileSync('bash', ['-c', `printf '%s\\0' ${text}`], {encoding: 'utf8'})
		.split('\0')
		.slice(0, -1);
}

test('the hint of an unconfirmed replacement confirms it, and nothing else does', async () => {
	for (const [index, name] of names.entries()) {
		if (name === 'a' || name === 'b') continue;
		await server.psql(name, `update "up.Per".${quoted(name)} set i = 99`);
		const before = await databases();
		const args = ['--replace', '--', literal(name)];
		const refused = await restore(...args);
		assert.equal(refused.code, 2, refused.stderr);
		const confirm = /nothing was done; add (--confirm.*)$/m.exec(refused.stderr)?.[1] ?? '';
		const wrong = await restore(`--confirm=${quoted(names.at(index - 1) ?? '')}`, ...args);
		assert.equal(wrong.code, 2, wrong.stderr);
		assert.equal(await databases(), before);
		const replaced = await restore(...wordsOf(confirm), ...args);
		assert.equal(replaced.code, 0, `${confirm}\n${replaced.stderr}`);
		assert.equal(await rows(name), ids.get(name));
	}
});

test('several names are confirmed by one option, or by one for each', async () => {
	const args = ['--replace', '--', 'a', 'a,b', 'b'];
	for (const confirm of [
		['--confirm', 'a,b,"a,b"'],
		['--confirm', '"a,b"', '--confirm', 'a', '--confirm', 'b'],
	]) {
		for (const name of ['a', 'b', 'a,b']) await server.psql(name, `update "up.Per".${quoted(name)} set i = 99`);
		const wrong = await restore('--confirm', 'a,b', ...args);
		assert.equal(wrong.code, 2, wrong.stderr);
		const replaced = await restore(...confirm, ...args);
		assert.equal(replaced.code, 0, replaced.stderr);
		for (const name of ['a', 'b', 'a,b']) assert.equal(await rows(name), ids.get(name));
	}
});

test('--only, --only-schema and --find-table take quoted names', async () => {
	for (const name of ['a,b', 'say "hi"', ' edge ', 'new\nline']) {
		const pattern = `"up.Per".${quoted(name)}`;
		const found = await runProgram([...connectTo(server, directory), '--find-table', pattern, '--json']);
		assert.equal(found.code, 0, found.stderr);
		const tables = found.stdout
			.trim()
			.split('\n')
			.map(line => JSON.parse(line) as {database: string; table: string});
		assert.deepEqual([...new Set(tables.map(one => one.database))], [name]);
		await server.psql(name, `drop table ${pattern}`);
		const table = await restore('--only', pattern, '--', literal(name));
		assert.equal(table.code, 0, table.stderr);
		assert.equal(await rows(name), ids.get(name));
		await server.psql(name, 'drop schema "up.Per" cascade');
		const schema = await restore('--only-schema', '"up.Per"', '--', literal(name));
		assert.equal(schema.code, 0, schema.stderr);
		assert.equal(
			await server.psql(name, `select count(*) from pg_class where relnamespace = '"up.Per"'::regnamespace`),
			'2',
		);
	}
	const malformed = await restore('--only', 's."up', '--', 'a');
	assert.equal(malformed.code, 2, malformed.stderr);
});
