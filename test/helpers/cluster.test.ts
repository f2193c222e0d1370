import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {test} from 'node:test';
import {realServerVersions, startCluster, startStandby} from './cluster.js';

test('a cluster of every major at hand starts, answers and goes', async context => {
	for (const [version] of realServerVersions()) {
		await context.test(`PostgreSQL ${version}`, async () => {
			const cluster = await startCluster({version, settings: {work_mem: '5MB'}});
			try {
				assert.equal(await cluster.psql('postgres', "select 1; show work_mem; select 'é'"), '1\n5MB\né');
				await assert.rejects(cluster.psql('postgres', 'select 1/0'), /division by zero/);
			} finally {
				await cluster.stop();
			}
			assert.equal(existsSync(cluster.directory), false);
		});
	}
});

test('two clusters of one major have different system identifiers', async () => {
	const identify = 'select system_identifier from pg_control_system()';
	const clusters = [await startCluster(), await startCluster()];
	try {
		const [first, second] = await Promise.all(clusters.map(cluster => cluster.psql('postgres', identify)));
		assert.match(first ?? '', /^\d+$/);
		assert.notEqual(first, second);
	} finally {
		for (const cluster of clusters) await cluster.stop();
	}
});

test('a standby follows its primary', async () => {
	const primary = await startCluster();
	const standby = await startStandby(primary);
	try {
		assert.equal(await standby.psql('postgres', 'select pg_is_in_recovery()'), 't');
	} finally {
		await standby.stop();
		await primary.stop();
	}
});
