/** The rights for a comparison without superuser, on a real server. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {withReadAccess} from '../../source/restore/read-access.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {never, sessionOn} from '../helpers/postgres.js';

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'read-access'});
	await cluster.psql('postgres', 'create role maker login createdb');
	await cluster.psql('postgres', 'create database hidden owner maker');
	await cluster.psql(
		'hidden',
		'set role maker; create schema s; create table s.own (i int); revoke all on s.own from maker; revoke usage on schema s from maker',
	);
});
after(async () => cluster.stop());

const target = {
	inventory: {superuser: false},
	open: (database: string) => sessionOn(cluster, {database, user: 'maker'}),
} as unknown as Parameters<typeof withReadAccess>[0];
const mayRead = () => cluster.psql('hidden', "select has_table_privilege('maker', 's.own', 'select')");

test('our user may read during the work only, also when it fails', async () => {
	assert.equal(await withReadAccess(target, 'hidden', never, mayRead), 't');
	assert.equal(await mayRead(), 'f');
	await assert.rejects(
		withReadAccess(target, 'hidden', never, () => Promise.reject(new Error('different'))),
		/different/,
	);
	assert.equal(await mayRead(), 'f');
});

test('rights that cannot be taken back, because the session has ended, are a failure', async () => {
	const open = async (database: string) => (opened = await target.open(database, never));
	let opened: Awaited<ReturnType<typeof target.open>> | undefined;
	await assert.rejects(withReadAccess({...target, open}, 'hidden', never, async () => opened?.close()));
	assert.equal(await mayRead(), 't', 'so the database must not get its name');
});
