/** A directory dump whose removal fails in the middle: nothing that is left looks like a dump, and the next backup removes it. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, type Ended, runProgram, scratchDirectory} from '../helpers/program.js';
import {failing, needsStrace} from '../helpers/strace.js';
import {refusal, s3Backup, withServer} from './remote-s3.js';

let cluster: Cluster;
before(async () => {
	cluster = await startCluster({name: 'removals'});
	await cluster.psql('postgres', 'create database a');
	await cluster.psql('a', 'create table one as select 1; create table two as select 2');
});
after(async () => cluster.stop());

const dump = ['--dump-only', '-F', 'd', 'a'];
const partials = (directory: string) => readdirSync(directory).filter(name => name.endsWith('.part'));

function assertEnded({code, stderr}: Ended, expected: number, ...texts: readonly RegExp[]): void {
	assert.equal(code, expected, stderr);
	for (const text of texts) assert.match(stderr, text);
}

describe('a removal that fails', needsStrace, () => {
	for (const call of ['rmdir', 'rename']) {
		test(`of a dump that is uploaded, by ${call}: an error; it is no upload to resume`, async () => {
			await withServer({}, async ({server}) => {
				const directory = scratchDirectory('removals');
				const backup = (args: readonly string[]) =>
					s3Backup(cluster, server.url, directory, ['delete_uploaded = yes'], args);
				server.faults.push({...refusal, action: 'PutObject', times: 1});
				assertEnded(await runProgram(backup(dump)), 14);
				const wrapper = failing(call, 'EIO');
				const failed = await runProgram(backup(['--resume-uploads']), {wrapper});
				assertEnded(failed, 1, new RegExp(`ERROR: .*${call === 'rmdir' ? 'rm' : call}`));
				assert.equal([...server.objects.keys()].filter(key => key.includes('.d/')).length, 3);
				assertEnded(await runProgram(backup(['--resume-uploads'])), 0, /no interrupted upload to resume/);
			});
		});
	}

	test('of a purge: the dump is whole, or nothing of it has a name, and the next backup removes the rest', async () => {
		for (const call of ['rename', 'rmdir']) {
			const directory = scratchDirectory('removals');
			const [, ...connection] = connectTo(cluster, directory);
			const backup = ['--no-config-file', ...connection, ...dump];
			for (let run = 0; run < 2; run++) assertEnded(await runProgram(backup), 0);
			const [first = ''] = readdirSync(directory).filter(name => name.endsWith('.d'));
			const members = readdirSync(join(directory, first));
			const purge = ['--no-config-file', '-b', directory, '--purge', '-P', '0', '-K', '1'];
			assertEnded(await runProgram(purge, {wrapper: failing(call, 'EIO')}), 1, /ERROR: could not remove/);
			if (call === 'rename') assert.deepEqual(readdirSync(join(directory, first)), members);
			else {
				assert.equal(existsSync(join(directory, first)), false);
				assert.equal(partials(directory).length, 1);
			}
			assertEnded(await runProgram([...backup, '-P', '0', '-K', '1']), 0);
			assert.equal(existsSync(join(directory, first)), false);
			assert.deepEqual(partials(directory), []);
		}
	});
});
