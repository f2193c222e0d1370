/** Killed at each call that gives or takes a name: the next run ships every dump that has its final name, and leaves nothing behind. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, runProgram, scratchDirectory} from '../helpers/program.js';
import {needsStrace, traced} from '../helpers/strace.js';

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'death'});
	await cluster.psql('postgres', 'create database a');
});
after(async () => cluster.stop());

const dumpsIn = (directory: string) =>
	filesIn(directory, {manifests: true}).filter(name => /^[^.].*(dump|json)$/.test(name));

for (const call of ['link', 'unlink', 'rename'] as const) {
	test(`killed at each ${call}`, needsStrace, async () => {
		let unshipped = 0;
		for (let n = 1; ; n++) {
			const [directory, store] = [scratchDirectory('death'), scratchDirectory('death-store')];
			const args = [...connectTo(cluster, directory), '--upload', 'local', '--local-directory', store, '-S', 'none'];
			const log = join(scratchDirectory('death-log'), 'log');
			const killed = await runProgram([...args, '--dump-only', 'a'], {
				// strace counts the calls of each thread; all of these come from the pool.
				env: {UV_THREADPOOL_SIZE: '1'},
				wrapper: [...traced(log, call), '-e', `inject=${call}:signal=SIGKILL:when=${n}`],
			});
			if (killed.code === 0) {
				assert.ok(n > 2, `${call} is called`);
				break;
			}
			const named = dumpsIn(directory);
			unshipped += named.filter(name => !existsSync(join(store, name))).length;
			const next = await runProgram([...args, '--dump-only', 'a']);
			assert.equal(next.code, 0, `${call} ${n}: ${next.stderr}`);
			assert.doesNotMatch(next.stderr, /WARN|ERROR/, `${call} ${n}`);
			for (const name of named) {
				assert.ok(existsSync(join(store, name)), `${call} ${n}: ${name} was not shipped: ${next.stderr}`);
				assert.deepEqual(readFileSync(join(store, name)), readFileSync(join(directory, name)));
			}
			const hidden = filesIn(directory).filter(name => name.startsWith('.'));
			assert.deepEqual(hidden, [], `${call} ${n}`);
		}
		if (call !== 'rename') assert.ok(unshipped > 0, 'some were killed between the name and the shipping');
	});
}
