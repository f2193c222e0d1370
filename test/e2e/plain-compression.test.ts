/** Plain dumps that a pg_dump of 16 and later compresses with zstd or lz4: their names, their reading back, their purge. */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {zstdDecompressSync} from 'node:zlib';
import {type Cluster, realClientVersions, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, runProgram, scratchDirectory, withoutTime} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'plain-compression'});
	await server.psql('postgres', 'create database a');
	await server.psql('a', 'create table t as select n, md5(n::text) from generate_series(1, 1000) n');
});
after(async () => server.stop());

/** Says that it is 16, and has its plain output compressed by zstd, which is done here. */
const pretender = `# VERSION
if [ "$1" = --version ]; then echo 'pg_dump (PostgreSQL) 16.4'; exit; fi
args=(); file=; zstd=
while [ $# -gt 0 ]; do
	case "$1" in
		-Z) case "$2" in zstd*) zstd=1;; esac; shift;;
		-f) file=$2; shift;;
		*) args+=("$1");;
	esac
	shift
done
[ -n "$zstd" ] || exec "$REAL" "\${args[@]}" \${file:+-f "$file"}
set -o pipefail
"$REAL" "\${args[@]}" | '${process.execPath}' -e "
	const {createZstdCompress} = require('node:zlib');
	require('node:stream').pipeline(process.stdin, createZstdCompress(), process.stdout, error => { process.exitCode = error ? 1 : 0; })
" >"\${file:-/dev/stdout}"`;
const newest = [...realClientVersions()].filter(([major]) => major >= 16).at(-1);
const tools: readonly (readonly [string, () => string])[] = [
	['that says so', () => recordingTools({pg_dump: pretender}).directory],
	...(newest ? [[String(newest[0]), () => newest[1]] as const] : []),
];

for (const [name, directoryOf] of tools) {
	describe(`pg_dump ${name}`, () => {
		test('a plain dump with zstd is a .sql.zst, is read back, and old ones are purged', async () => {
			const directory = scratchDirectory('plain-zstd');
			const old = ['a_2020-01-01T00:00:00Z.sql.zst', 'a_2020-01-02T00:00:00Z.sql.gz', 'a_2020-01-03T00:00:00Z.sql'];
			for (const file of old) writeFileSync(join(directory, file), '');
			const foreign = ['a_2020-01-01T00:00:00Z.sql.zst.bak', 'a_2020-01-01T00:00:00Z.sql.xz'];
			for (const file of foreign) writeFileSync(join(directory, file), '');
			const {code, stderr} = await runProgram([
				...[...connectTo(server, directory), '-B', directoryOf(), '--dump-only', '-F', 'p', '-Z', 'zstd:3'],
				...['-P', '30', '-K', '1', 'a'],
			]);
			assert.equal(code, 0, stderr);
			const files = filesIn(directory);
			const made = files.find(file => withoutTime(file) === 'a_T.sql.zst' && !file.includes('2020')) ?? '';
			assert.match(zstdDecompressSync(readFileSync(join(directory, made))).toString(), /^COPY public\.t/m);
			for (const file of old) assert.ok(!files.includes(file), `${file} is purged`);
			for (const file of foreign) assert.ok(files.includes(file), `${file} is not ours`);
			const verified = await runProgram(['--no-config-file', '-b', directory, '--verify']);
			assert.equal(verified.code, 0, verified.stderr);
			assert.match(verified.stderr + verified.stdout, /read to its closing line/);
		});

		test('a dry run names it so', async () => {
			const directory = scratchDirectory('plain-dry');
			const {stdout, stderr} = await runProgram([
				...[...connectTo(server, directory), '-B', directoryOf(), '--dry-run', '-F', 'p', '-Z', 'lz4', 'a'],
			]);
			assert.match(stdout + stderr, /a_\S+\.sql\.lz4/);
		});
	});
}
