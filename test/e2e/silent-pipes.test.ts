/** Key files that are pipes with a writer that never writes: the first signal ends the run. */
import assert from 'node:assert/strict';
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, scratchDirectory, startProgram} from '../helpers/program.js';
import {configFile} from './remote-places.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'pipes'});
});
after(async () => server.stop());

/** A named pipe that a process opens for writing, and what resolves when somebody reads it. */
function silentPipe(): {readonly path: string; readonly writer: ChildProcess; readonly isRead: Promise<unknown>} {
	const path = join(scratchDirectory('pipe'), 'key');
	execFileSync('mkfifo', ['-m', '600', path]);
	const writer = spawn('sh', ['-c', 'exec 3> "$0"; echo open; exec sleep 600', path], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	return {path, writer, isRead: new Promise(resolve => writer.stdout.once('data', resolve))};
}

const host = ['sftp_host = 127.0.0.1', 'sftp_port = 9', 'sftp_user = me'];

describe('a key file that is a pipe with a silent writer', () => {
	const cases: readonly (readonly [
		name: string,
		args: readonly string[],
		lines: (pipe: string, home: string) => readonly string[],
	])[] = [
		['sftp_identity, in a backup', ['--dump-only', 'postgres'], pipe => ['upload = sftp', `sftp_identity = ${pipe}`]],
		['sftp_identity, in a listing', ['--list-remote', 'sftp'], pipe => [`sftp_identity = ${pipe}`]],
		['sftp_identity, in --check-config', ['--check-config'], pipe => ['upload = sftp', `sftp_identity = ${pipe}`]],
		[
			'the known hosts, in a listing',
			['--list-remote', 'sftp'],
			(pipe, home) => {
				mkdirSync(join(home, '.ssh'), {mode: 0o700});
				writeFileSync(join(home, '.ssh/config'), `Host *\n  UserKnownHostsFile ${pipe}\n`, {mode: 0o600});
				return [];
			},
		],
	];
	for (const [name, args, lines] of cases)
		test(`${name}: ends at the first SIGTERM`, async () => {
			const {path, writer, isRead} = silentPipe();
			try {
				const home = scratchDirectory('home');
				const config = configFile([...host, ...lines(path, home)]);
				const [, ...connection] = connectTo(server, scratchDirectory('pipes'));
				const running = await startProgram(['-c', config, ...connection, ...args], {
					env: {HOME: home, PGBK_SSH_PASS: 'x'},
				});
				await isRead;
				running.child.kill('SIGTERM');
				const {code, signal, stderr} = await running.ended;
				assert.ok(code === 143 || signal === 'SIGTERM', `${code} ${signal} ${stderr}`);
			} finally {
				writer.kill('SIGKILL');
			}
		});
});
