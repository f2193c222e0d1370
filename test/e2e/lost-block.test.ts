/**
 * pg_dump ends successfully although its last block did not reach the disk. A limit for the size of its files stands for
 * a full disk: the writes of pg_dump fail in the same way, and only those.
 */
import assert from 'node:assert/strict';
import {execFileSync, spawnSync} from 'node:child_process';
import {statSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {clientDirectory, type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';
import {recordingTools} from '../helpers/recorder.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'lost'});
	await server.psql('postgres', 'create database app');
	await server.psql('app', 'create table t as select i, md5(i::text) from generate_series(1, 900) i');
});
after(() => server.stop());

const dumpIn = (directory: string) => filesIn(directory).find(name => /^app_.*\.(dump|tar)$/.test(name));
const older = (directory: string) => [...connectTo(server, directory), '-K', '0', '-P', '0', 'app'];

/** Returns the path of a whole dump. */
async function wholeDump(...args: string[]): Promise<string> {
	const directory = scratchDirectory('whole');
	succeeded(await runProgram([...older(directory), ...args]));
	return join(directory, dumpIn(directory) ?? assert.fail());
}

for (const [format, compression] of [
	['custom', '0'],
	['custom', '6'],
	['tar', '0'],
] as const) {
	describe(`${format}, -Z ${compression}`, () => {
		test('a truncated archive does not count, and the older dump stays', async () => {
			const args = ['--format', format, '-Z', compression];
			const {size} = statSync(await wholeDump(...args));
			// In KiB, and less than a block of 4 KiB below the size.
			const limit = Math.floor((size - 1) / 4096) * 4;
			const real = join(clientDirectory(), 'pg_dump');
			const limited = `trap '' XFSZ; ulimit -f ${limit}`;
			const path = join(scratchDirectory('raw'), 'out');
			const connection = ['-h', server.socketDirectory, '-p', String(server.port), '-U', 'postgres'];
			const raw = ['-F', format, '-Z', compression, ...connection, '-f', path, 'app'];
			const byItself = spawnSync('bash', ['-c', `${limited}; exec "$@"`, 'bash', real, ...raw], {encoding: 'utf8'});
			assert.deepEqual([byItself.status, statSync(path).size], [0, limit * 1024], byItself.stderr);
			const directory = scratchDirectory('lost');
			succeeded(await runProgram([...older(directory), ...args]));
			const before = dumpIn(directory);
			const tools = recordingTools({pg_dump: `${limited}; exec "$REAL" "$@"`});
			const ended = await runProgram([...older(directory), ...args, '-B', tools.directory]);
			assert.equal(ended.code, 1, ended.stderr);
			assert.match(ended.stderr, /ERROR: dump of app failed: pg_dump of app exited successfully, but did not write/);
			assert.match(ended.stderr, /HINT: the disk may be full/);
			assert.deepEqual(
				filesIn(directory).filter(name => name.startsWith('app_')),
				[before],
			);
		});
	});
}

test('what a wrapper writes through a pipe has no offsets, and is accepted when it is whole', async () => {
	const script = `for word; do [ "$last" = -f ] && out=$word; last=$word; done
		args=(); while [ $# -gt 0 ]; do if [ "$1" = -f ]; then shift 2; else args+=("$1"); shift; fi; done
		"$REAL" "\${args[@]}" | cat`;
	const whole = recordingTools({pg_dump: `${script} > "$out"`});
	const directory = scratchDirectory('piped');
	succeeded(await runProgram([...older(directory), '-B', whole.directory]));
	const dump = join(directory, dumpIn(directory) ?? assert.fail());
	execFileSync(join(clientDirectory(), 'pg_restore'), ['-f', '/dev/null', dump]);
	const cut = recordingTools({pg_dump: `${script} | head -c -3 > "$out"`});
	const ended = await runProgram([...older(directory), '-B', cut.directory]);
	assert.equal(ended.code, 1, ended.stderr);
	assert.match(ended.stderr, /did not write all of it: .*truncated/);
});
