/** The table of contents as we read it, against what pg_restore -l lists of archives by every client at hand; and hostile bytes. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {createReadStream, writeFileSync} from 'node:fs';
import {open, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import fc from 'fast-check';
import {PgBackError} from '../../source/core/errors.js';
import {type ArchivePlace, ArchivePlaceParser, type ArchiveToc} from '../../source/postgres/archive-toc.js';
import {readArchiveToc, readDirectoryToc, readTarToc} from '../../source/postgres/read-toc.js';
import {ArchiveBlocks, writeOffsets} from '../../source/stages/archive-offsets.js';
import {type Cluster, realClientVersions, realServerVersions, startCluster} from '../helpers/cluster.js';
import {fixture} from '../helpers/databases.js';
import {scratchDirectory} from '../helpers/program.js';

const clients = realClientVersions();
const clusters: Cluster[] = [];
const directory = scratchDirectory('toc');

before(async () => {
	const versions = [...realServerVersions().keys()];
	for (const version of new Set([versions[0], versions.at(-1)])) {
		const cluster = await startCluster({...(version !== undefined && {version}), name: 'toc'});
		clusters.push(cluster);
		await cluster.psql('postgres', 'create database "odd "" name"');
		await cluster.psql('odd " name', fixture);
		await cluster.psql(
			'odd " name',
			`create table many as select g, repeat('x', g % 100) as t from generate_series(1, 20000) g;
			create table "táblé	" ("ü" int); select lo_from_bytea(0, repeat('abc', 100000)::bytea), lo_from_bytea(0, '')`,
		);
	}
});
after(async () => {
	for (const cluster of clusters) await cluster.stop();
});

const dumpOf = (client: string, cluster: Cluster, ...args: readonly string[]) =>
	execFileSync(join(client, 'pg_dump'), ['-d', cluster.connectionString('odd " name'), ...args], {
		maxBuffer: 1 << 28,
	});
const pairs = () =>
	clusters.flatMap(cluster =>
		[...clients].filter(([major]) => major >= cluster.major).map(([major, client]) => ({cluster, client, major})),
	);

/** `dumpId; catalog oid` of each line, as pg_restore lists them. */
function listed(client: string, path: string): readonly string[] {
	const text = execFileSync(join(client, 'pg_restore'), ['-C', '-l', path], {encoding: 'utf8'});
	return [...text.matchAll(/^\d+; \d+ \d+ /gm)].map(([line]) => line.trim());
}

function lines(toc: ArchiveToc): readonly string[] {
	return toc.entries
		.filter(entry => !['ENCODING', 'STDSTRINGS', 'SEARCHPATH'].includes(entry.kind))
		.map(entry => `${entry.dumpId}; ${entry.catalog} ${entry.oid}`);
}

/** The places as they are read without the texts. */
async function placesIn(path: string): Promise<readonly ArchivePlace[]> {
	const places: ArchivePlace[] = [];
	const parser = new ArchivePlaceParser(place => places.push(place));
	for await (const chunk of createReadStream(path, {highWaterMark: 999})) parser.push(chunk as Buffer);
	assert.ok(parser.result(), 'the table of contents did not end');
	return places;
}

test('the entries are those that pg_restore lists, in every format and by every client', async () => {
	assert.ok(pairs().length > 0, 'there is no client');
	for (const {cluster, client, major} of pairs()) {
		const base = join(directory, `${cluster.major}-${major}`);
		for (const [format, letter, read] of [
			['custom', 'c', () => readArchiveToc(createReadStream(`${base}.c`, {highWaterMark: 1000}))],
			['tar', 't', () => readTarToc(createReadStream(`${base}.t`, {highWaterMark: 100}))],
			['directory', 'd', () => readDirectoryToc(createReadStream(join(`${base}.d`, 'toc.dat')))],
		] as const) {
			dumpOf(client, cluster, `-F${letter}`, '-f', `${base}.${letter}`);
			const toc = await read();
			assert.deepEqual(lines(toc), listed(client, `${base}.${letter}`), `${format} of ${cluster.major} by ${major}`);
			if (format !== 'tar') {
				assert.deepEqual(
					await placesIn(format === 'custom' ? `${base}.c` : join(`${base}.d`, 'toc.dat')),
					toc.entries.map(({dumpId, offset, member, awaitsOffset}) => ({dumpId, offset, member, awaitsOffset})),
				);
			}
			assert.equal(toc.format, format);
			assert.equal(toc.encoding, 'UTF8');
			assert.equal(toc.database, 'odd " name');
			assert.match(toc.serverVersion, new RegExp(`^${cluster.major}\\.`));
			assert.match(toc.dumpVersion, new RegExp(`^${major}\\.`));
			const table = toc.entries.find(entry => entry.tag === 'táblé\t' && entry.kind === 'TABLE');
			assert.match(table?.definition ?? '', /CREATE TABLE public."táblé\t" \(\n {4}"ü" integer\n\);/);
			const rows = toc.entries.find(entry => entry.tag === 'many' && entry.kind === 'TABLE DATA');
			assert.match(rows?.copy ?? '', /^COPY public.many \(g, t\) FROM stdin;/);
			assert.ok(
				rows?.hasData && rows.dependencies.includes(toc.entries.find(entry => entry.tag === 'many')?.dumpId ?? 0),
			);
			assert.equal(rows.member !== undefined, format !== 'custom');
			assert.equal(rows.section, 'data');
		}
	}
});

test('offsets that are written while an archive passes make it what pg_dump writes to a file', async () => {
	for (const {cluster, client, major} of pairs()) {
		const file = join(directory, `${cluster.major}-${major}.offsets`);
		dumpOf(client, cluster, '-Fc', '-f', file);
		const expected = await readFile(file);
		const toc = await readArchiveToc(createReadStream(file));
		// The same archive as it would have come through a pipe.
		const piped = Buffer.from(expected);
		for (const {placeAt, offset} of toc.entries) {
			if (offset !== undefined) piped.fill(0, placeAt + 1, placeAt + 9).writeUInt8(1, placeAt);
		}
		const real = dumpOf(client, cluster, '-Fc');
		for (const [index, bytes] of [piped, real].entries()) {
			const blocks = new ArchiveBlocks();
			for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 6007)
				blocks.push(bytes.subarray(at, at + size));
			writeFileSync(file, bytes);
			const handle = await open(file, 'r+');
			const found = blocks.toc();
			assert.ok(found);
			assert.ok((await writeOffsets(handle, found, blocks.finish())) > 10);
			await handle.close();
			const written = await readFile(file);
			// Two dumps differ in their time, in the seven integers behind the compression.
			if (index === 1) for (const one of [written, expected]) one.fill(0, 11, 11 + 5 + 7 * 5);
			assert.ok(written.equals(expected), `${cluster.major} by ${major}`);
		}
	}
});

test('an archive that is cut is CORRUPT wherever it is cut', async () => {
	const [{cluster, client} = {cluster: undefined, client: ''}] = pairs();
	assert.ok(cluster);
	const bytes = dumpOf(client, cluster, '-Fc');
	for (let length = 0; length < bytes.length; length += 1 + Math.floor(bytes.length / 100)) {
		const blocks = new ArchiveBlocks();
		blocks.push(bytes.subarray(0, length));
		if (blocks.toc() && cutsBetweenBlocks(blocks)) continue; // then the entry without a block is what tells
		assert.throws(() => blocks.finish(), {code: 'CORRUPT'}, `at ${length}`);
	}
});

function cutsBetweenBlocks(blocks: ArchiveBlocks): boolean {
	try {
		blocks.finish();
		return true;
	} catch {
		return false;
	}
}

test('any content of an archive causes only our own errors, quickly', async () => {
	const [{cluster, client} = {cluster: undefined, client: ''}] = pairs();
	assert.ok(cluster);
	const whole = dumpOf(client, cluster, '-Fc', '-s');
	const hostile = (bytes: Buffer) => {
		const blocks = new ArchiveBlocks();
		try {
			blocks.push(bytes);
			blocks.finish();
		} catch (error) {
			if (!(error instanceof PgBackError) || !['CORRUPT', 'TOOLS'].includes(error.code)) throw error;
		}
	};
	const change = fc.tuple(fc.nat(whole.length - 1), fc.uint8Array({minLength: 1, maxLength: 8}));
	fc.assert(
		fc.property(fc.array(change, {minLength: 1, maxLength: 3}), changes => {
			const bytes = Buffer.from(whole);
			for (const [at, with_] of changes) bytes.set(with_.subarray(0, bytes.length - at), at);
			hostile(bytes);
		}),
		{numRuns: 1000},
	);
	const head = whole.subarray(0, 60);
	fc.assert(
		fc.property(fc.nat(60), fc.uint8Array({maxLength: 300}), (kept, rest) =>
			hostile(Buffer.concat([head.subarray(0, kept), rest])),
		),
		{numRuns: 1000},
	);
});

test('a newer archive version is said to be one', async () => {
	const bytes = Buffer.concat([Buffer.from('PGDMP'), Buffer.from([1, 17, 0, 4, 8, 1, 0])]);
	await assert.rejects(readArchiveToc(oneChunk(bytes)), {code: 'TOOLS', message: /archive version 1\.17/});
	await assert.rejects(readArchiveToc(oneChunk(Buffer.from('PGDM'))), {code: 'CORRUPT'});
	await assert.rejects(readArchiveToc(oneChunk(Buffer.from('-- PostgreSQL'))), {code: 'CORRUPT'});
	await assert.rejects(readTarToc(oneChunk(Buffer.alloc(1024))), {code: 'CORRUPT'});
});

async function* oneChunk(bytes: Buffer): AsyncGenerator<Uint8Array> {
	yield bytes;
}
