/** Two users who keep their dumps in one directory: neither purge touches what belongs to the other. */
import assert from 'node:assert/strict';
import {chmodSync, chownSync, readdirSync, renameSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, runProgram, scratchDirectory} from '../helpers/program.js';

const isRoot = process.getuid?.() === 0;
const group = 65_534;
const users = {alice: 65_534, bob: 65_533};

describe('two users in one directory', {skip: !isRoot && 'needs root, to become two other users'}, () => {
	let server: Cluster;
	before(async () => {
		server = await startCluster({name: 'owners'});
		await server.psql('postgres', 'create database a');
		chmodSync(server.socketDirectory, 0o755);
	});
	after(async () => server.stop());

	const shared = (): string => {
		const directory = scratchDirectory('shared');
		chownSync(directory, users.alice, group);
		chmodSync(directory, 0o770);
		return directory;
	};
	const run = (user: number, directory: string, args: readonly string[]) =>
		runProgram([...connectTo(server, directory), 'a', ...args], {
			wrapper: ['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups', '--'],
		});
	const all = (directory: string) => filesIn(directory, {manifests: true});
	/** As if what is there had been made long ago. */
	const makeOld = (directory: string): string[] => {
		for (const name of readdirSync(directory))
			renameSync(join(directory, name), join(directory, name.replace(/_20\d\d-\d\d-\d\d/, '_2020-01-02')));
		return all(directory);
	};

	for (const [format, mode] of [
		['custom', 0o600],
		['directory', 0o600],
		['custom', 0o644],
	] as const) {
		test(`the dumps of the other (${format}, manifest ${mode.toString(8)}) stay whole, in the plan and in the run`, async () => {
			const directory = shared();
			const first = await run(users.alice, directory, ['-F', format]);
			assert.equal(first.code, 0, first.stderr);
			const theirs = makeOld(directory);
			assert.ok(theirs.length > 2, theirs.join());
			for (const name of theirs) if (name.endsWith('.manifest.json')) chmodSync(join(directory, name), mode);
			const purge = ['-P', '1', '-K', '0'];
			const plan = await run(users.bob, directory, [...purge, '--dry-run']);
			assert.equal(plan.code, 0, plan.stderr);
			assert.match(plan.stdout, /of another user \(uid 65534\)/);
			assert.match(plan.stdout, /to remove from \S+, 0 files:/);
			const second = await run(users.bob, directory, purge);
			assert.equal(second.code, 0, second.stderr);
			assert.equal(second.stderr.match(/WARN: not purged, although old/g)?.length, 1, second.stderr);
			const left = all(directory);
			for (const name of theirs) assert.ok(left.includes(name), `${name} is gone`);
			// Who made them purges them.
			const third = await run(users.alice, directory, purge);
			assert.equal(third.code, 0, third.stderr);
			for (const name of theirs) assert.ok(!all(directory).includes(name), `${name} is still there`);
		});
	}

	test('dumps of our own whose manifest may not be read stay', async () => {
		const directory = shared();
		assert.equal((await run(users.bob, directory, [])).code, 0);
		const old = makeOld(directory);
		for (const name of old) if (name.endsWith('.manifest.json')) chmodSync(join(directory, name), 0);
		const ended = await run(users.bob, directory, ['-P', '1', '-K', '0']);
		assert.equal(ended.code, 0, ended.stderr);
		assert.match(ended.stderr, /WARN: not purged, although old: .*of a run whose manifest cannot be read/);
		for (const name of old) assert.ok(all(directory).includes(name), `${name} is gone`);
	});
});
