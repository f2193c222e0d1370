/** Entries that are added to a table of contents, read by us and listed by every pg_restore. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import fc from 'fast-check';
import {PgBackError} from '../../source/core/errors.js';
import type {ArchiveEntry, ArchiveToc} from '../../source/postgres/archive-toc.js';
import {addTableData} from '../../source/postgres/archive-toc-writer.js';
import {readDirectoryToc} from '../../source/postgres/read-toc.js';
import {type Cluster, realClientVersions, realServerVersions, startCluster} from '../helpers/cluster.js';
import {fixture} from '../helpers/databases.js';
import {scratchDirectory} from '../helpers/program.js';

type Corpus = {readonly name: string; readonly path: string; readonly client: string; readonly bytes: Buffer};
const corpus: Corpus[] = [];
const clusters: Cluster[] = [];

before(async () => {
	const versions = [...realServerVersions().keys()];
	for (const version of new Set([versions[0] ?? 0, versions.at(-1) ?? 0])) {
		const cluster = await startCluster({version, name: 'toc-writer'});
		clusters.push(cluster);
		await cluster.psql('postgres', 'create database "odd "" name"');
		await cluster.psql(
			'odd " name',
			`${fixture}; create table "táblé	" ("ü" int primary key); select lo_from_bytea(0, 'abc')`,
		);
		for (const [major, client] of [...realClientVersions()].filter(([one]) => one >= version)) {
			for (const [kind, ...args] of [['whole'], ['no-tables', '--exclude-table-data=*.*'], ['plain', '-Z0']]) {
				const path = join(scratchDirectory('toc-writer'), 'dump');
				execFileSync(join(client, 'pg_dump'), [
					'-Fd',
					'-f',
					path,
					'-d',
					cluster.connectionString('odd " name'),
					...args,
				]);
				corpus.push({
					name: `${kind ?? ''} of ${version} by ${major}`,
					path,
					client,
					bytes: readFileSync(join(path, 'toc.dat')),
				});
			}
		}
	}
});
after(async () => {
	for (const cluster of clusters) await cluster.stop();
});

const parse = (bytes: Uint8Array): Promise<ArchiveToc> =>
	readDirectoryToc(
		(async function* () {
			yield bytes;
		})(),
	);
const isTable = ({kind, catalog}: ArchiveEntry) => kind === 'TABLE' && catalog === 1259;

test('nothing added is the same file, byte by byte', () => {
	assert.ok(corpus.length > 0);
	for (const {name, bytes} of corpus) assert.ok(addTableData(bytes, []).bytes.equals(bytes), name);
});

test('parts are added behind the data, and what follows the data of a table waits for all of them', async () => {
	for (const {name, bytes, path, client} of corpus.filter(one => one.name.startsWith('no-tables'))) {
		const old = await parse(bytes);
		const tables = old.entries.filter(isTable);
		assert.ok(tables.length > 2);
		const added = tables.map(({oid}, index) => ({
			oid,
			copy: `COPY t${index} (a) FROM stdin;\n`,
			members: Array.from({length: (index % 3) + 1}, (_, part) => `table_${oid}_${part + 1}.dat`),
		}));
		const written = addTableData(bytes, added);
		assert.deepEqual([written.missing, written.present], [[], []]);
		const toc = await parse(written.bytes);
		const parts = toc.entries.filter(entry => entry.member?.startsWith('table_'));
		const rest = toc.entries.filter(entry => !parts.includes(entry));
		// Everything else is as it was, but for the dependencies behind the data.
		const bare = (entry: ArchiveEntry) => ({...entry, dependencies: [], startsAt: 0, placeAt: 0});
		assert.deepEqual(rest.map(bare), old.entries.map(bare), name);
		for (const [index, entry] of rest.entries()) {
			const before = old.entries[index]?.dependencies ?? [];
			const tablesOf = tables.filter(({dumpId}) => before.includes(dumpId)).map(({oid}) => oid);
			const ids = parts.filter(({oid}) => tablesOf.includes(oid)).map(({dumpId}) => dumpId);
			const more = entry.section === 'post-data' ? ids : [];
			assert.deepEqual(new Set(entry.dependencies), new Set([...before, ...more]), `${name}: ${entry.tag}`);
		}
		assert.ok(rest.some(entry => entry.dependencies.some(id => parts.some(({dumpId}) => dumpId === id))));
		const all = new Set(toc.entries.map(({dumpId}) => dumpId));
		for (const part of parts) {
			const table = tables.find(({oid}) => oid === part.oid);
			assert.deepEqual(
				[part.kind, part.section, part.tag, part.schema, part.owner, part.hasData, part.dependencies[1]],
				['TABLE DATA', 'data', table?.tag, table?.schema, table?.owner, true, table?.dumpId],
			);
			// pg_restore -j would truncate the table before it loads the entry whose first dependency it is.
			assert.ok(!all.has(part.dependencies[0] ?? 0));
		}
		const sections = toc.entries.map(({section}) => section).filter(section => section !== 'none');
		assert.deepEqual(
			sections,
			sections.toSorted((a, b) => order(a) - order(b)),
			name,
		);
		writeFileSync(join(path, 'toc.dat'), written.bytes);
		const list = execFileSync(join(client, 'pg_restore'), ['-l', path], {encoding: 'utf8'});
		assert.equal(list.match(/ TABLE DATA /g)?.length, parts.length, name);
		assert.ok(addTableData(written.bytes, []).bytes.equals(written.bytes));
		assert.deepEqual(
			addTableData(written.bytes, added).present,
			added.map(({oid}) => oid),
		);
	}
});

const order = (section: string) => ['pre-data', 'data', 'post-data'].indexOf(section);

test('a table without an entry, or with data of its own, gets no parts', () => {
	for (const {name, bytes} of corpus.filter(one => one.name.startsWith('whole'))) {
		const written = addTableData(bytes, [{oid: 4_000_000_000, copy: 'COPY x FROM stdin;\n', members: ['x.dat']}]);
		assert.deepEqual([written.missing, written.present], [[4_000_000_000], []], name);
		assert.ok(written.bytes.equals(bytes));
	}
});

test('any bytes cause only our own errors', () => {
	const [{bytes} = {bytes: Buffer.alloc(0)}] = corpus;
	const change = fc.tuple(fc.nat(bytes.length - 1), fc.uint8Array({minLength: 1, maxLength: 8}));
	const attempt = (hostile: Buffer) => {
		try {
			addTableData(hostile, [{oid: 1, copy: '', members: ['a', 'b']}]);
		} catch (error) {
			if (!(error instanceof PgBackError) || !['CORRUPT', 'TOOLS'].includes(error.code)) throw error;
		}
	};
	fc.assert(
		fc.property(fc.array(change, {minLength: 1, maxLength: 3}), fc.nat(bytes.length), (changes, length) => {
			const hostile = Buffer.from(bytes);
			for (const [at, with_] of changes) hostile.set(with_.subarray(0, hostile.length - at), at);
			attempt(hostile);
			attempt(hostile.subarray(0, length));
		}),
		{numRuns: 300},
	);
});
