/** Drills in a server that is older than the dump: refused as a restore is, before anything is created. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {clientDirectory, type Cluster, realServerVersions, startCluster} from '../helpers/cluster.js';
import {connectTo, runProgram, scratchDirectory, succeeded} from '../helpers/program.js';
import {drill} from './drill-site.js';

const majors = [...realServerVersions().keys()];
const [oldest = 0] = majors.filter(major => major >= 13);
const skip = majors.includes(18) && oldest < 16 ? false : 'needs servers 18 and 13 to 15';
let newer: Cluster | undefined;
let older: Cluster | undefined;

before(async () => {
	if (skip !== false) return;
	newer = await startCluster({version: 18, name: 'drill-newer'});
	older = await startCluster({version: oldest, name: 'drill-older', settings: {log_statement: 'ddl'}});
	await newer.psql('postgres', 'create database shop; create database plain');
	await newer.psql('shop', 'create table t (a int, b int generated always as (a + 1) virtual)');
});
after(async () => {
	await newer?.stop();
	await older?.stop();
});

for (const format of ['custom', 'plain'])
	test(`${format}: what the server does not know is named, and nothing is created`, {skip}, async () => {
		if (!newer || !older) throw new TypeError('no servers');
		const tools = ['-B', clientDirectory(18)];
		const directory = scratchDirectory('drill-older');
		succeeded(await runProgram([...connectTo(newer, directory), ...tools, '--format', format, 'shop', 'plain']));
		const log = older.log().length;
		const run = await drill(directory, ['--drill-dbname', older.connectionString('postgres'), ...tools, '--', 'shop']);
		assert.equal(run.code, 18, run.stderr);
		assert.match(
			run.stderr,
			/ERROR: shop failed: .* without virtual generated columns: (?:table|create table) public\.t/i,
		);
		assert.doesNotMatch(older.log().slice(log), /create database/i);
		succeeded(await drill(directory, ['--drill-dbname', older.connectionString('postgres'), ...tools, '--', 'plain']));
	});
