/** Reading dumps to their end: what is cut is found, and a pg_restore that makes no progress is ended. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {gzipSync, zstdCompressSync} from 'node:zlib';
import {PgBackError} from '../../source/core/errors.js';
import {dumpKind, readDirectoryDump, readDump, type VerifyTools} from '../../source/stages/read-dump.js';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';

let server: Cluster;
const directory = mkdtempSync(join(tmpdir(), 'pgb-verify-'));
const tools: VerifyTools = {
	pgRestore: join(clientDirectory(), 'pg_restore'),
	env: {PATH: process.env['PATH']},
	signal: new AbortController().signal,
	stallTimeout: 20_000,
};

before(async () => {
	server = await startCluster({name: 'verify'});
	await server.psql('postgres', 'create table t as select i, md5(i::text) as m from generate_series(1, 20000) as i');
	for (const [flag, name] of [
		['c', 'dump'],
		['p', 'sql'],
		['t', 'tar'],
		['d', 'd'],
	] as const) {
		execFileSync(join(clientDirectory(), 'pg_dump'), [
			`-F${flag}`,
			'-f',
			join(directory, name),
			'-d',
			server.connectionString('postgres'),
		]);
	}
	writeFileSync(join(directory, 'sql.zst'), zstdCompressSync(readFileSync(join(directory, 'sql'))));
	writeFileSync(join(directory, 'sql.gz'), gzipSync(readFileSync(join(directory, 'sql'))));
});
after(async () => {
	await server.stop();
	rmSync(directory, {recursive: true, force: true});
});

async function* chunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
}
const read = async (suffix: string, bytes: Buffer, more: Partial<VerifyTools> = {}) =>
	readDump(chunks(bytes), dumpKind(suffix), {...tools, ...more});
const isCorrupt = (error: unknown) => error instanceof PgBackError && error.code === 'CORRUPT' && error.exitCode === 17;

for (const suffix of ['dump', 'sql', 'sql.gz', 'sql.zst', 'tar']) {
	test(`a whole ${suffix} is read, a cut one is found`, async () => {
		const bytes = readFileSync(join(directory, suffix));
		assert.match(await read(suffix, bytes), suffix.startsWith('sql') ? /to its closing line/ : /read by pg_restore/);
		for (const part of [0, 0.01, 0.3, 0.5, 0.9])
			await assert.rejects(
				read(suffix, bytes.subarray(0, Math.floor(bytes.length * part))),
				isCorrupt,
				`cut at ${part}`,
			);
	});
}

test('a whole directory dump is read, one with a cut or a missing member is not', async () => {
	const path = join(directory, 'd');
	assert.match(await readDirectoryDump(path, tools), /read by pg_restore/);
	const member = join(path, readdirSync(path).find(name => name.endsWith('.dat.gz')) ?? '');
	truncateSync(member, 10_000);
	await assert.rejects(readDirectoryDump(path, tools), isCorrupt);
	rmSync(member);
	await assert.rejects(readDirectoryDump(path, tools), isCorrupt);
});

test('without pg_restore archives are read, and nothing more is claimed', async () => {
	assert.equal(await read('dump', Buffer.alloc(10), {pgRestore: undefined}), 'read');
});

for (const [what, script] of [
	['spins', 'while :; do :; done'],
	['sleeps', 'exec sleep 1000'],
] as const) {
	test(`a pg_restore that ${what} is ended`, async () => {
		const pgRestore = join(directory, `pg_restore-${what}`);
		writeFileSync(pgRestore, `#!/bin/sh\n${script}\n`);
		chmodSync(pgRestore, 0o755);
		await assert.rejects(read('tar', Buffer.alloc(1 << 20), {pgRestore, stallTimeout: 500}), /made no progress/);
		await assert.rejects(readDirectoryDump(directory, {...tools, pgRestore, stallTimeout: 500}), /made no progress/);
	});
}
