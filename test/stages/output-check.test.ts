/** Real output of pg_dump, whole and cut anywhere, in pieces of any size. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {closeSync, openSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {checkCompleteArchive} from '../../source/stages/complete-archive.js';
import {OutputCheck} from '../../source/stages/output-check.js';
import {type Cluster, realClientVersions, startCluster} from '../helpers/cluster.js';
import {scratchDirectory} from '../helpers/program.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'output'});
	await server.psql('postgres', 'create database app');
	await server.psql(
		'app',
		'create table t as select i, md5(i::text) from generate_series(1, 300) i; create table s (a int); select lo_from_bytea(0, sha512(decode(repeat(to_hex(0), 2), $$hex$$)))',
	);
});
after(() => server.stop());

function problemOf(bytes: Uint8Array, piece: number): string | undefined {
	const check = new OutputCheck();
	const buffer = Buffer.alloc(piece);
	for (let at = 0; at < bytes.length; at += piece) {
		// As from a read into one buffer: nothing of the last piece may be needed.
		const length = Buffer.from(bytes).copy(buffer, 0, at, at + piece);
		check.push(buffer.subarray(0, length));
	}
	return check.problem();
}

for (const [major, directory] of realClientVersions()) {
	if (major < 15) continue;
	describe(`pg_dump ${major}`, () => {
		const dump = (...args: string[]) =>
			execFileSync(join(directory, 'pg_dump'), [...args, '-d', server.connectionString('app')], {maxBuffer: 1 << 28});
		const cases = [
			['custom', ['-Fc', '-Z', '0'], 1],
			['custom, compressed', ['-Fc'], 1],
			['custom, sections without data', ['-Fc', '--section=pre-data', '--section=post-data'], 1],
			['custom, without large objects', ['-Fc', '-B'], 1],
			['tar', ['-Ft'], 1],
			['plain', ['-Fp'], 100],
			['plain, INSERT', ['-Fp', '--inserts', '-s'], 100],
		] as const;
		for (const [what, args, least] of cases) {
			test(`${what}: the whole is complete, in pieces of any size`, () => {
				const whole = dump(...args);
				for (const piece of [1, 7, 512, 4096, 1 << 20]) assert.equal(problemOf(whole, piece), undefined);
			});

			test(`${what}: a cut is found wherever it is`, () => {
				const whole = dump(...args);
				const step = Math.max(1, Math.floor(whole.length / 500));
				for (let missing: number = least; whole.length - missing > 8; missing += missing < 200 ? 1 : step)
					assert.notEqual(problemOf(whole.subarray(0, -missing), 4096), undefined, `without the last ${missing} bytes`);
			});
		}

		test('custom, through stdout into a file: the whole is complete, a cut and bytes after it are found', async () => {
			const path = join(scratchDirectory('output'), 'app.dump');
			const descriptor = openSync(path, 'w');
			execFileSync(join(directory, 'pg_dump'), ['-Fc', '-d', server.connectionString('app')], {
				stdio: ['ignore', descriptor, 'inherit'],
			});
			closeSync(descriptor);
			const whole = readFileSync(path);
			// It has a second table of contents.
			assert.equal(whole.length > dump('-Fc').length, major >= 16);
			for (const piece of [1, 7, 4096, 1 << 20]) assert.equal(problemOf(whole, piece), undefined);
			await checkCompleteArchive(path);
			for (const missing of [1, 100, 500, 2000, 4000])
				assert.notEqual(problemOf(whole.subarray(0, -missing), 4096), undefined, `without the last ${missing} bytes`);
			writeFileSync(path, 'x', {flag: 'a'});
			assert.notEqual(problemOf(readFileSync(path), 4096), undefined);
			if (major >= 16) await assert.rejects(checkCompleteArchive(path), {code: 'CORRUPT'});
		});
	});
}

test('what is neither an archive nor text of pg_dump passes, and so does nothing', () => {
	for (const text of ['', '\x1f\x8b\x08\x00 of gzip', 'a wrapper wrote this'])
		assert.equal(problemOf(Buffer.from(text, 'latin1'), 3), undefined);
});

test('an archive of a newer version passes', () => {
	assert.equal(problemOf(Buffer.from('PGDMP\x01\x63\x00 and what follows', 'latin1'), 100), undefined);
});

test('a text of another vendor is complete, too', () => {
	const text = '--\n-- EnterpriseDB database dump\n--\n\n--\n-- EnterpriseDB database dump complete\n--\n\n';
	assert.equal(problemOf(Buffer.from(text), 10), undefined);
	assert.match(problemOf(Buffer.from(text.slice(0, 50)), 10) ?? '', /closing line/);
});
