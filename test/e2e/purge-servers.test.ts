/** Two servers whose dumps go to one remote prefix: neither purge touches what is of the other. */
import assert from 'node:assert/strict';
import {readdirSync, rmSync, truncateSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, nextSecond, runProgram, scratchDirectory} from '../helpers/program.js';

describe('two servers with one remote prefix', () => {
	let servers: readonly [Cluster, Cluster];
	before(async () => {
		servers = [await startCluster({name: 'one'}), await startCluster({name: 'two'})];
		for (const server of servers) {
			await server.psql('postgres', 'create role reader login; grant pg_read_all_data to reader');
			await server.psql('postgres', 'create database app');
			await server.psql('app', 'create table t as select 1 as i');
			// What some hosters do: then only the address tells the servers apart.
			await server.psql('app', 'revoke execute on function pg_control_system() from public');
			await server.psql('postgres', 'revoke execute on function pg_control_system() from public');
		}
	});
	after(async () => {
		for (const server of servers) await server.stop();
	});

	for (const [what, user, more] of [
		['by their identifiers', 'postgres', []],
		['by their addresses', 'reader', ['-d', 'postgres', '--dump-only']],
	] as const)
		test(`are told apart ${what}, in the plan, the run and --purge`, async () => {
			const store = scratchDirectory('store');
			const places = servers.map(() => scratchDirectory('backups'));
			const run = (index: 0 | 1, args: readonly string[]) =>
				runProgram([
					...connectTo(servers[index], places[index] ?? '', user),
					...['--upload', 'local', '--local-directory', store, ...more, 'app', ...args],
				]);
			const first = await run(0, []);
			assert.equal(first.code, 0, first.stderr);
			const theirs = readdirSync(store);
			assert.ok(theirs.some(name => name.startsWith('app_')));
			await nextSecond();
			const purge = ['--purge-remote', 'yes', '-P', '0', '-K', '0'];
			const plan = await run(1, [...purge, '--dry-run']);
			assert.match(plan.stdout, /app_\S+ {2}of another server \(/);
			const second = await run(1, purge);
			assert.equal(second.code, 0, second.stderr);
			assert.deepEqual(
				theirs.filter(name => !readdirSync(store).includes(name)),
				[],
				second.stderr,
			);
			assert.equal(
				second.stderr.match(/WARN: not purged, although old: .*of another server/g)?.length,
				1,
				second.stderr,
			);
			// The server itself purges its own.
			await nextSecond();
			const third = await run(0, purge);
			assert.equal(third.code, 0, third.stderr);
			assert.deepEqual(
				theirs.filter(name => readdirSync(store).includes(name)),
				[],
			);
		});

	test('what a manifest that cannot be read may name is kept, at the remote and in the backup directory', async () => {
		const store = scratchDirectory('store');
		const directory = scratchDirectory('backups');
		const run = (index: 0 | 1, args: readonly string[]) =>
			runProgram([
				...connectTo(servers[index], directory),
				...['--upload', 'local', '--local-directory', store, 'app', ...args],
			]);
		const first = await run(0, []);
		assert.equal(first.code, 0, first.stderr);
		const theirs = readdirSync(store);
		const manifest = theirs.find(name => name.endsWith('manifest.json')) ?? '';
		for (const place of [store, directory]) truncateSync(join(place, manifest), 200);
		await nextSecond();
		const second = await run(1, ['--purge-remote', 'yes', '-P', '0', '-K', '0']);
		assert.equal(second.code, 0, second.stderr);
		for (const place of [store, directory])
			assert.deepEqual(
				theirs.filter(name => !readdirSync(place).includes(name)),
				[],
				second.stderr,
			);
		assert.match(
			second.stderr,
			/WARN: not purged, although old: .*of a run whose manifest cannot be read \(pg_back_.*; repair that manifest, or remove it/,
		);
		for (const place of [store, directory]) rmSync(join(place, manifest));
		await nextSecond();
		const third = await run(1, ['--purge-remote', 'yes', '-P', '0', '-K', '0']);
		assert.equal(third.code, 0, third.stderr);
		for (const place of [store, directory])
			assert.deepEqual(
				theirs.filter(name => readdirSync(place).includes(name)),
				[],
				third.stderr,
			);
	});
});
