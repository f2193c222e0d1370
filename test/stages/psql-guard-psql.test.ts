/** The guard beside what it guards: real psqls, and real dumps of every PostgreSQL. */
import assert from 'node:assert/strict';
import {execFile, execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import fc from 'fast-check';
import {guardedPsql} from '../../source/stages/psql-guard.js';
import {
	clientDirectory,
	type Cluster,
	realClientVersions,
	realServerVersions,
	startCluster,
} from '../helpers/cluster.js';
import {fixture} from '../helpers/databases.js';
import {guard} from '../helpers/guard.js';

describe('compared with a real psql', () => {
	let cluster: Cluster;
	before(async () => {
		cluster = await startCluster({name: 'guard'});
		await cluster.psql('postgres', 'create table t (a text)');
	});
	after(() => cluster.stop());

	type Ran = {readonly stdout: string; readonly stderr: string; readonly code: number};
	const psql = (args: readonly string[], text: Buffer) =>
		new Promise<Ran>(resolve => {
			const all = [...args, '-d', cluster.connectionString('postgres')];
			const child = execFile(join(clientDirectory(), 'psql'), all, (error, stdout, stderr) =>
				resolve({stdout, stderr, code: Number(error?.code ?? 0)}),
			);
			child.stdin?.on('error', () => undefined);
			child.stdin?.end(text);
		});

	test('nothing that is passed on runs a command, even in a psql that is not restricted', async () => {
		const tokens = [
			..."' '' \" $$ $a$ E U& b n 1 . a $ \\ \\\\ ; -- /* */ / * ( ) : :: x é DBNAME END".split(' '),
			...['\n', '\n', ';\n', ' ', '\r\n', 'CREATE FUNCTION f() ', 'BEGIN ATOMIC ', 'CASE '],
			...['COPY t FROM stdin;\n', 'COPY t (a) FROM stdin;\n', '\n\\.\n', '\\.\n', 'SELECT 1', "SELECT 'a'", '-- x\n'],
			...['SET standard_conforming_strings = off;\n', 'SET standard_conforming_strings = on;\n'],
			...['\\echo pwned\n', '\n\\echo pwned\n', '\\echo pwned\n', '\n\\echo pwned\n'],
		];
		const some = fc.array(fc.constantFrom(...tokens), {maxLength: 7}).map(words => words.join(''));
		const pairs = [
			...["''", "E''", "U&''", '""'].map(pair => [pair.slice(0, -1), pair.slice(-1)] as const),
			...([
				['$$', '$$'],
				['$a$', '$a$'],
				['/*', '*/'],
				['-- ', '\n'],
				[';\nCOPY t FROM stdin;\n', '\n\\.\n'],
			] as const),
			['', ''] as const,
		];
		const quoted = fc
			.tuple(fc.constantFrom(...pairs), some, some)
			.map(([[open, close], before, behind]) => `${open}${before}\\echo pwned\n${behind}${close}`);
		let passed = 0;
		await fc.assert(
			fc.asyncProperty(some, quoted, some, fc.nat(5), async (head, middle, tail, size) => {
				const text = `${head}${middle}${tail}`;
				const whole = await guard(text).catch(() => undefined);
				const pieces = await guard(text, size + 1).catch(() => undefined);
				assert.deepEqual(pieces, whole, 'whatever the pieces');
				if (whole === undefined || !text.includes('pwned')) return;
				passed++;
				const {stdout} = await psql(['-Xqw', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', '-'], whole);
				assert.equal(stdout, '');
			}),
			{numRuns: Number(process.env['PG_BACK_FUZZ_RUNS'] ?? 150)},
		);
		assert.ok(passed > 5, `only ${passed} texts with a command were passed on`);
	});

	test('psql is told to run none, and lines keep their numbers', async () => {
		const {args, pin} = guardedPsql({version: 150_018});
		assert.equal(pin, false);
		const ran = await psql(args, Buffer.from('select 1;\n\\echo pwned\n'));
		assert.equal(ran.stdout, '');
		assert.match(ran.stderr, /psql:<stdin>:2: .*restricted/);
		assert.notEqual(ran.code, 0);
		assert.equal((await psql(args, Buffer.from('select 1;\n'))).code, 0);
		assert.match((await psql(args, Buffer.from('select 1;\nselect x;\n'))).stderr, /<stdin>:2: ERROR:/);
	});

	test('code of the dump does not change how psql reads on', async () => {
		const hidden =
			"DO $$ begin perform set_config('standard_conforming_strings', 'off', false); end $$;\nSELECT '\\';\nSELECT ' \n\\echo pwned\n';\n";
		const args = ['-Xqw', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', '-'];
		assert.match((await psql(args, await guard(hidden))).stdout, /pwned/, 'the reason for the rule');
		assert.equal((await psql(args, await guard(hidden, Infinity, {pin: true}))).stdout, '');
	});
});

const moreObjects = (version: number) =>
	`create table public.arrays (a int[], "B b" int, t text default E'\\\\! id\n\\\\.');
	create view public.slices as select a[1:"B b"] from public.arrays;
	insert into public.arrays (t) values (E'\\\\.'), (E'\\\\! id'), (E'a\\nb\\t''"$$');
	comment on table public.arrays is E'it''s \\\\';
	create function public.hard() returns text language plpgsql as $x$ begin /* ' */ return $y$ \\! id $y$ || 'it\\'; -- "
	end $x$;
	create rule r as on insert to public.arrays do also (notify a; notify b);
	${version < 14 ? '' : `create function public.atomic(int) returns setof int language sql begin atomic select case when $1 > 1 then 1 end; select 2 where $1 = 3; end;`}`;

describe('real dumps', () => {
	for (const [version] of realServerVersions()) {
		const clients = [...realClientVersions()].filter(([major]) => major >= version);
		if (clients.length === 0) continue;
		test(`of PostgreSQL ${version} pass, whatever the options of pg_dump`, async () => {
			const cluster = await startCluster({version, name: 'dumps'});
			try {
				await cluster.psql('postgres', 'create database app');
				await cluster.psql('app', fixture);
				await cluster.psql('app', moreObjects(version));
				for (const [, directory] of clients) {
					const dump = (...args: string[]) =>
						execFileSync(join(directory, 'pg_dump'), [...args, '-d', cluster.connectionString('app')], {
							maxBuffer: 1 << 28,
						});
					for (const args of [
						[],
						['--inserts'],
						['--quote-all-identifiers', '-c', '--if-exists'],
						['-E', 'SQL_ASCII'],
						['-C'],
					]) {
						const text = dump(...args);
						const expected = text.toString('latin1').replaceAll(/^\\((un)?restrict|connect) .*$/gm, '');
						for (const size of [4096])
							assert.equal((await guard(text, size, {dropConnect: true})).toString('latin1'), expected, args.join(' '));
					}
					const globals = execFileSync(join(directory, 'pg_dumpall'), ['-g', '-d', cluster.connectionString('app')]);
					await guard(globals, 100, {dropConnect: true});
				}
			} finally {
				await cluster.stop();
			}
		});
	}
});
