/** The server that a drill starts for itself goes with it, and what a killed drill left is swept by the next. */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import {after, before, describe, test} from 'node:test';
import {survivors} from '../../scripts/faults/sweep.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {connectTo, runProgram, scratchDirectory, startProgram} from '../helpers/program.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'scratch'});
	await server.psql('postgres', 'create database shop');
	await server.psql('shop', 'create table item as select i from generate_series(1, 1000) i');
});
after(async () => server.stop());

describe('the scratch server', () => {
	for (const [name, status] of [
		['SIGTERM', 143],
		['SIGKILL', null],
	] as const) {
		test(`is gone after ${name}`, async () => {
			const directory = scratchDirectory('backups');
			const backup = await runProgram(connectTo(server, directory));
			assert.equal(backup.code, 0, backup.stderr);
			const home = scratchDirectory('room');
			const run = await startProgram(
				['--no-config-file', '-b', directory, '--restore-drill', '--drill-directory', home],
				{env: {PG_FAULTS: name}},
			);
			await run.untilLog(/restoring pg_globals/);
			run.child.kill(name);
			assert.equal((await run.ended).code, status);
			assert.deepEqual(await survivors(`PG_FAULTS=${name}`, 5000), []);
			await waitFor(
				async () => !readdirSync('/proc').some(pid => /^\d+$/.test(pid) && commandOf(pid).includes(home)),
				'the scratch server to be gone',
			);
			if (name === 'SIGTERM') return assert.deepEqual(readdirSync(home), []);
			assert.equal(readdirSync(home).length, 1, 'nobody was left to remove it');
			const again = ['--restore-drill', 'here', 'shop', '--drill-directory', home];
			const next = await runProgram(['--no-config-file', '-b', directory, ...again]);
			assert.equal(next.code, 0, next.stderr);
			assert.match(next.stderr, /INFO: removed .*pg_back-drill-\w+: left by a drill that was killed/);
			return assert.deepEqual(readdirSync(home), []);
		});
	}
});

function commandOf(pid: string): string {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
	} catch {
		return ''; // gone
	}
}
