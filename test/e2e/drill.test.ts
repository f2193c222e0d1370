/** Restore drills: what was dumped is restored into a server of its own, and only what is really the same counts as proven. */
import assert from 'node:assert/strict';
import {chmodSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import type {Cluster} from '../helpers/cluster.js';
import {
	connectTo,
	filesIn,
	type KeyFile,
	newKeyFile,
	runProgram,
	scratchDirectory,
	succeeded,
} from '../helpers/program.js';
import {backup, drill, type Manifest, manifestOf, proofsIn, startShop} from './drill-site.js';

let server: Cluster;
let keys: KeyFile;

before(async () => {
	keys = await newKeyFile();
	server = await startShop();
});
after(async () => server.stop());

describe('a drill proves', () => {
	for (const format of ['custom', 'plain', 'tar', 'directory']) {
		test(`an encrypted run in the ${format} format, fetched from a store`, async () => {
			const [directory, store] = [scratchDirectory('backups'), scratchDirectory('store')];
			await backup(server, directory, [
				'-F',
				format,
				'--encrypt',
				'--cipher-public-key',
				keys.recipient,
				'--upload',
				'local',
				'--local-directory',
				store,
			]);
			const scratch = mkdtempSync(join(tmpdir(), 'pgb-drill-'));
			chmodSync(scratch, 0o755); // the scratch server runs as another user
			const config = join(scratchDirectory('config'), 'pg_back.conf');
			writeFileSync(config, `cipher_identity_file = ${keys.file}\n`);
			const run = succeeded(
				await runProgram([
					'-c',
					config,
					'-b',
					directory,
					'--local-directory',
					store,
					'--restore-drill',
					'local',
					'--drill-directory',
					scratch,
				]),
			);
			assert.match(
				run.stderr,
				/shop: restored into a scratch server \S+: \d+ objects and [\d\s]+ rows in 2 tables match the dump; the rows of 3 tables and the schema are as recorded/,
			);
			assert.match(run.stderr, /odd "name"?: restored/);
			assert.deepEqual(readdirSync(scratch), [], 'nothing is left of the scratch server');
			rmdirSync(scratch);
			assert.equal(proofsIn(directory).length, 0, 'what was proved stands where it was proved');
			const [proof = ''] = proofsIn(store);
			const {databases} = JSON.parse(readFileSync(join(store, proof), 'utf8')) as {
				databases: {database: string; tables: number; schema: string}[];
			};
			assert.deepEqual(databases.map(({database, tables, schema}) => [database, tables, schema]).sort(), [
				['odd "name"', 1, 'definitions'],
				['postgres', 1, 'definitions'],
				['shop', 3, 'definitions'],
			]);
		});
	}

	test('what was in the snapshot of the dump, while others write', async () => {
		const directory = scratchDirectory('backups');
		const writing = new AbortController();
		const writer = (async () => {
			while (!writing.signal.aborted)
				await server.psql(
					'shop',
					'insert into s.parent select max(id) + 1, null from s.parent; create table if not exists s.t (i int); insert into s.t values (1)',
				);
		})();
		try {
			await backup(server, directory, ['shop']);
		} finally {
			writing.abort();
			await writer;
		}
		const run = succeeded(await drill(directory));
		assert.match(run.stderr, /match the dump; the rows of \d tables and the schema are as recorded/);
		await server.psql('shop', 'drop table s.t');
	});

	test('only the database that is chosen by its name', async () => {
		const directory = scratchDirectory('backups');
		await backup(server, directory);
		const run = succeeded(await drill(directory, ['here', 'shop']));
		assert.doesNotMatch(run.stderr, /restoring postgres/);
		const proof = JSON.parse(readFileSync(join(directory, proofsIn(directory)[0] ?? ''), 'utf8')) as {
			databases: {database: string}[];
		};
		assert.deepEqual(
			proof.databases.map(one => one.database),
			['shop'],
		);
	});

	test('dumps of pg_back 2.x by restoring them, and says that there was nothing to compare with', async () => {
		const directory = scratchDirectory('backups');
		await backup(server, directory, ['shop']);
		rmSync(manifestOf(directory).path);
		const run = succeeded(await drill(directory));
		assert.match(
			run.stderr,
			/shop: restored into a scratch server \S+: \d+ objects and [\d\s]+ rows in 2 tables match the dump; no contents were recorded to compare it with/,
		);
		assert.deepEqual(proofsIn(directory), []);
	});

	test('a run without globals, without its owners', async () => {
		for (const format of ['custom', 'plain']) {
			const directory = scratchDirectory('backups');
			await backup(server, directory, ['--dump-only', '-F', format, 'shop']);
			const run = succeeded(await drill(directory));
			assert.match(run.stderr, /WARN: this run has no globals/);
		}
	});
});

describe('without anything recorded', () => {
	for (const format of ['custom', 'plain', 'tar', 'directory']) {
		test(`the ${format} format: restored, with all that the dump holds, and not called proven`, async () => {
			const directory = scratchDirectory('backups');
			succeeded(await runProgram([...connectTo(server, directory), '-F', format, 'shop']));
			const run = succeeded(await drill(directory));
			assert.match(run.stderr, /shop +restored .* [\d\s]+ rows in 2 tables match the dump; no contents were recorded/);
			const proof = JSON.parse(readFileSync(join(directory, proofsIn(directory)[0] ?? ''), 'utf8')) as {
				databases: {verdict: string; schema: string; held: {objects: number; tables: number; rows: number}}[];
			};
			const [{verdict, schema, held} = assert.fail()] = proof.databases;
			const rows = Number(await server.psql('shop', 'select count(*) from s.parent'));
			assert.deepEqual([verdict, schema, held.tables, held.rows], ['restored', 'none', 2, rows]);
			assert.ok(held.objects >= 8, `${held.objects} objects`);
		});
	}
});

describe('a drill finds', () => {
	test('another number of rows, another definition, a table that is missing', async () => {
		const directory = scratchDirectory('backups');
		await backup(server, directory, ['shop']);
		const {path, manifest} = manifestOf(directory);
		const change = async (edit: (plain: NonNullable<Manifest['files'][number]['plain']>) => void) => {
			const copy = structuredClone(manifest);
			edit(copy.files.find(file => file.role === 'dump')?.plain ?? assert.fail('nothing was recorded'));
			writeFileSync(path, JSON.stringify(copy));
			const run = await drill(directory);
			assert.equal(run.code, 17, run.stderr);
			return run.stderr;
		};
		assert.match(
			await change(plain => (plain.tables = plain.tables?.map(table => ({...table, rows: table.rows + 1})))),
			/s\.parent has [\d\s]+ rows instead of \d+/,
		);
		assert.match(await change(plain => plain.tables?.push({name: 's.lost', rows: 0})), /s\.lost is missing/);
		assert.match(
			await change(
				plain =>
					(plain.schema = plain.schema?.map(part =>
						part.kind === 'relations' ? {...part, definitions: '0'.repeat(64)} : part,
					)),
			),
			/relations have different definitions/,
		);
		assert.match(
			await change(
				plain => (plain.schema = plain.schema?.map(part => (part.kind === 'functions' ? {...part, count: 7} : part))),
			),
			/1 functions instead of 7/,
		);
		assert.deepEqual(proofsIn(directory), []);
	});

	test('a damaged dump, a missing one, an encrypted one without its key', async () => {
		const directory = scratchDirectory('backups');
		await backup(server, directory, ['shop']);
		const dump = join(directory, filesIn(directory).find(name => name.endsWith('.dump')) ?? '');
		const bytes = readFileSync(dump);
		writeFileSync(dump, bytes.with(bytes.length - 100, (bytes.at(-100) ?? 0) ^ 1));
		const damaged = await drill(directory);
		assert.equal(damaged.code, 17, damaged.stderr);
		assert.match(damaged.stderr, /is damaged: its sha256 does not match the manifest/);
		writeFileSync(dump, bytes);
		await backup(server, directory, ['postgres', 'shop']);
		const second =
			filesIn(directory)
				.filter(name => /^shop_.*\.dump$/.test(name))
				.at(-1) ?? '';
		renameSync(join(directory, second), join(directory, 'elsewhere'));
		const missing = await drill(directory);
		assert.notEqual(missing.code, 0, missing.stderr);
		assert.match(missing.stderr, /shop_\S+ is missing: the manifest of its run names it/);
		const encrypted = scratchDirectory('backups');
		await backup(server, encrypted, ['--encrypt', '--cipher-public-key', keys.recipient, 'shop']);
		assert.notEqual((await drill(encrypted)).code, 0);
	});
});
