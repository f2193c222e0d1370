/**
 * What pg_restore -j runs at once and what deadlocks then: it attaches indexes of partitions beside the
 * validation of foreign keys, and changes a table from two of its indexes.
 */
import {after, before, test} from 'node:test';
import {type Cluster, realServerVersions, startCluster} from '../helpers/cluster.js';
import {assertSameText, fixture, textOf} from '../helpers/databases.js';
import {succeeded} from '../helpers/program.js';
import {restore, withShipped} from './directory-dumps.js';

/** The longer a key is validated, the more often something else runs beside it. */
const more = `insert into shop.sale
	select 10 + n % 500, 1 + n % 50, '2025-01-01 00:00:30+00'::timestamptz + n * interval '1 minute', 1 from generate_series(1, 150000) n`;

/** The second index of the table is ready while the first is still being created. */
const clustered = `create table t (a int not null, b int not null, c text);
	insert into t select i, 200000 - i, md5(i::text) from generate_series(1, 200000) i;
	create unique index on t (a); cluster t using t_a_idx;
	create unique index on t (b); alter table t replica identity using index t_b_idx`;

let [source, target]: Cluster[] = [];

before(async () => {
	const version = [...realServerVersions().keys()].at(-1) ?? 0;
	source = await startCluster({name: 'attach-from', version});
	// The sooner the server looks for a deadlock, the more of them it finds.
	target = await startCluster({name: 'attach-to', version, settings: {deadlock_timeout: '20ms'}});
	await source.psql('postgres', 'create database app');
	await source.psql('app', fixture);
	await source.psql('app', more);
	await source.psql('postgres', 'create database clustered');
	await source.psql('clustered', clustered);
});

after(async () => {
	await source?.stop();
	await target?.stop();
});

test('partitioned tables with foreign keys are restored by several sessions without a deadlock', async () => {
	const [from, into] = [source!, target!];
	await withShipped({source: from, target: into}, {store: 'local', database: 'app', compression: '0'}, async place => {
		// Without a step of its own for them, about half of the restores fail.
		for (let index = 0; index < 4; index++) {
			const database = `again_${index}`;
			succeeded(await restore(place, into, '--restore-jobs', '4', '--into', database, 'app'));
			if (index === 0) assertSameText(textOf(into, database), textOf(from, 'app'));
		}
	});
});

test('a table that is clustered on one index and identified by another is restored without a deadlock', async () => {
	const [from, into] = [source!, target!];
	const dump = {store: 'local', database: 'clustered', compression: '0'} as const;
	await withShipped({source: from, target: into}, dump, async place => {
		for (const database of ['first', 'second']) {
			succeeded(await restore(place, into, '--restore-jobs', '4', '--into', database, 'clustered'));
			assertSameText(textOf(into, database), textOf(from, 'clustered'));
		}
	});
});
