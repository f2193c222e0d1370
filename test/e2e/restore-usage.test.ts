/**
 * Restores without superuser rights into schemas whose owner has no USAGE of them: what pg_restore does after it has set
 * the privileges, materialized views and planner statistics, by all roads.
 */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {clientDirectory, type Cluster, realServerVersions, startCluster} from '../helpers/cluster.js';
import {assertSameText, dropDatabases, textOf} from '../helpers/databases.js';
import {connectTo, type KeyFile, newKeyFile, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';

/** 16 and newer have other rules for members of roles; 18 and newer have statistics in dumps. */
const versions = [15, 18].filter(version => realServerVersions().has(version));
const clusters = new Map<number, Cluster>();
let keys: KeyFile;

before(async () => {
	keys = await newKeyFile();
	for (const version of versions) {
		const server = await startCluster({name: 'restore-usage', version});
		clusters.set(version, server);
		await server.psql('postgres', 'create role owning; create role maker login createdb in role owning');
		await server.psql('postgres', 'create database app owner owning');
		// More than 4 MiB: smaller dumps are loaded by one process.
		await server.psql(
			'app',
			`create schema closed authorization owning; set role owning;
			create table closed.t as select i, md5(i::text) || md5((i * 7)::text) as text from generate_series(1, 70000) i;
			create index on closed.t (i); create materialized view closed.first as select count(*) from closed.t;
			create materialized view closed.second as select * from closed.first; create unique index on closed.second (count);
			analyze closed.t; revoke all on schema closed from owning`,
		);
	}
});
after(async () => {
	for (const server of clusters.values()) await server.stop();
});

/** What pg_dump does not write. */
const catalog = `
	select 'view', relname::text, relispopulated::text from pg_class where relkind = 'm'
	union all select 'rows', 'second', count::text from closed.second
	union all select 'privileges', nspname::text, nspacl::text from pg_namespace where nspname = 'closed'
	union all select 'statistics', attname::text, n_distinct::text from pg_stats where tablename = 't'
	order by 1, 2`;

const roads = {
	'in place': {format: 'custom', dump: [], restore: []},
	file: {format: 'custom', dump: ['encrypt'], restore: ['--stream', 'no']},
	stream: {format: 'custom', dump: ['encrypt'], restore: ['--stream', 'yes']},
	'stream, one job': {format: 'custom', dump: ['encrypt'], restore: ['--stream', 'yes', '--restore-jobs', '1']},
	members: {format: 'directory', dump: ['encrypt'], restore: ['--stream', 'yes']},
	'in place, --owner': {format: 'directory', dump: [], restore: ['--owner', 'owning']},
	psql: {format: 'plain', dump: [], restore: []},
} as const;

for (const version of versions) {
	for (const [road, {format, dump, restore}] of Object.entries(roads)) {
		test(`${version}, ${road}: complete, with the privileges of the dump`, async () => {
			const server = clusters.get(version) ?? assert.fail();
			const directory = scratchDirectory('usage');
			const config = join(directory, 'pg_back.conf');
			writeFileSync(config, 'dump_statistics = yes\n');
			const options = ['-B', clientDirectory(version)];
			const encryption = dump.length > 0 ? ['--encrypt', '--cipher-public-key', keys.recipient] : [];
			const compression = format === 'plain' ? [] : ['-Z', '0'];
			succeeded(
				await runProgram([
					...['-c', config, ...connectTo(server, directory).slice(1), ...options, ...encryption],
					...['--format', format, ...compression, 'app'],
				]),
			);
			try {
				succeeded(
					await runProgram([
						...[...connectTo(server, directory, 'maker'), ...options, '-d', 'postgres', '--roles', 'none'],
						...['--cipher-identity-file', keys.file, '--restore', 'backup', 'app', '--into', 'copy'],
						...['--restore-jobs', '2', ...restore],
					]),
				);
				assertSameText(textOf(server, 'copy'), textOf(server, 'app'));
				assert.equal(await server.psql('copy', catalog), await server.psql('app', catalog));
			} finally {
				await dropDatabases(server, 'copy');
			}
		});
	}
}
