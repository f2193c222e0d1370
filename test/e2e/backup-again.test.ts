import assert from 'node:assert/strict';
import {readdirSync} from 'node:fs';
import {after, before, test} from 'node:test';
import {backupsInProcess} from '../helpers/backups-in-process.js';
import {startCluster, type Cluster} from '../helpers/cluster.js';
import {connectTo, filesIn, newAgeKeys, scratchDirectory} from '../helpers/program.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'again'});
});
after(() => server.stop());

test('backup after backup, as in a console: none leaves a file open', async () => {
	const directory = scratchDirectory('again');
	const {recipient} = await newAgeKeys();
	const open: number[] = [];
	const words = [...connectTo(server, directory), '--encrypt', '--cipher-public-key', recipient, '-P', '365'];
	await backupsInProcess(words, 5, () => open.push(readdirSync('/proc/self/fd').length));
	assert.equal(filesIn(directory).filter(name => name.startsWith('postgres_')).length, 5);
	const [first = 0, ...later] = open;
	for (const count of later) assert.ok(count <= first, `open files after each: ${open.join(', ')}`);
});
