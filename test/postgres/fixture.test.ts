import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {test} from 'node:test';
import {type Cluster, realClientVersions, realServerVersions, startCluster} from '../helpers/cluster.js';
import {fixture} from '../helpers/databases.js';

const name = 'Fixture "db" \\ x';

async function startWithFixture(version: number): Promise<Cluster> {
	const cluster = await startCluster({version, name: 'fixture'});
	await cluster.psql('postgres', 'create database "Fixture ""db"" \\ x"');
	await cluster.psql(name, fixture);
	return cluster;
}

for (const [version] of realServerVersions()) {
	// pg_restore may write what an older server does not know: a round trip needs tools of the same major.
	const tools = realClientVersions().get(version);
	if (tools === undefined) {
		test(`the fixture loads, PostgreSQL ${version}`, async () => {
			const cluster = await startWithFixture(version);
			await cluster.stop();
		});
		continue;
	}
	test(`the fixture loads, and comes back by pg_restore as it was, PostgreSQL ${version}`, async () => {
		const run = (tool: string, args: readonly string[], input?: Buffer) =>
			execFileSync(join(tools, tool), args, {input, maxBuffer: 1 << 28, stdio: ['pipe', 'pipe', 'pipe']});
		const source = await startWithFixture(version);
		const target = await startCluster({version, name: 'restored'});
		try {
			const globals = run('pg_dumpall', ['-g', '-d', source.connectionString('postgres')]).toString();
			await target.psql('postgres', globals.replace('CREATE ROLE postgres;', ''));
			const archive = run('pg_dump', ['-Fc', '-d', source.connectionString(name)]);
			run('pg_restore', ['-C', '-e', '-d', target.connectionString('postgres')], archive);
			const [before, after] = [source, target].map(cluster =>
				run('pg_dump', ['-C', '-d', cluster.connectionString(name)])
					.toString()
					.replaceAll(/^\\(un)?restrict .*$/gm, ''),
			);
			assert.ok(before === after, 'the two dumps differ');
		} finally {
			await source.stop();
			await target.stop();
		}
	});
}
