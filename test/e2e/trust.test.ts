/** What another user can change is neither obeyed nor executed, and commands that hang are stopped. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {waitFor} from '../helpers/postgres.js';
import {cleanEnvironment, connectTo, runProgram, scratchDirectory, shapesIn} from '../helpers/program.js';
import {needsStrace, traced} from '../helpers/strace.js';

const isRoot = process.getuid?.() === 0;
let server: Cluster;
before(async () => {
	server = await startCluster({name: 'trust'});
	await server.psql('postgres', 'create database a');
});
after(async () => server.stop());

function write(name: string, text: string, mode: number): string {
	const path = join(scratchDirectory('trust'), name);
	writeFileSync(path, text);
	chmodSync(path, mode);
	return path;
}

const check = (...args: string[]) => runProgram(['--check-config', ...args]);

describe('a configuration file', () => {
	test('that every user can write is refused', async () => {
		const {code, stderr} = await check('-c', write('c.conf', 'jobs = 2\n', 0o666));
		assert.equal(code, 10, stderr);
		assert.match(stderr, /FATAL: configuration file ".*" was refused: .* is writable by every user \(mode 0666\)/);
	});

	test(
		'of another user is refused, of a group that can write it is named',
		{skip: !isRoot && 'needs root'},
		async () => {
			const path = write('c.conf', 'jobs = 2\n', 0o600);
			chownSync(path, 4242, 4242);
			const other = await check('-c', path);
			assert.equal(other.code, 10, other.stderr);
			assert.match(other.stderr, /is owned by another user \(uid 4242\)/);
			chownSync(path, 0, 4242);
			chmodSync(path, 0o660);
			const group = await check('-c', path);
			assert.equal(group.code, 0, group.stderr);
			assert.match(group.stderr, /WARN: configuration file: .* is writable by members of the group 4242/);
		},
	);

	test('of the group of our own user is not named', {skip: !isRoot && 'needs root'}, async () => {
		const [uid, gid] = ['-u', '-g'].map(flag => Number(execFileSync('id', [flag, 'postgres'], {encoding: 'utf8'})));
		const path = write('c.conf', 'jobs = 2\n', 0o660);
		const warned = async (owner: number, group: number) => {
			chownSync(path, owner, group);
			const {code, stderr} = await runProgram(['--check-config', '-c', path], {
				wrapper: ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--groups=12'],
			});
			assert.equal(code, 0, stderr);
			return /WARN: configuration file: .* is writable by members of the group/.test(stderr);
		};
		assert.ok(uid && gid, 'there is no user postgres');
		assert.equal(await warned(uid, gid), false);
		assert.equal(await warned(uid, 12), true);
	});

	test('with a secret that others can read is named by --check-config, as by a run', async () => {
		const {code, stderr, stdout} = await check('-c', write('c.conf', 's3_secret = x\ns3_key_id = y\n', 0o644));
		assert.equal(code, 0, stderr);
		assert.match(stderr, /WARN: .*c\.conf holds secrets \(s3_secret\) and is readable by other users/);
		assert.ok(!(stdout + stderr).includes('s3_secret = x'));
	});
});

describe('a command', () => {
	const none = ['--no-config-file'];

	test('of which others can change the program or the script is not run', async () => {
		const ran = join(scratchDirectory('ran'), 'ran');
		const script = write('hook.sh', `#!/bin/sh\necho x > ${ran}\n`, 0o777);
		const sticky = scratchDirectory('sticky');
		chmodSync(sticky, 0o1777);
		writeFileSync(join(sticky, 'hook'), `#!/bin/sh\necho x > ${ran}\n`, {mode: 0o755});
		const env = {PATH: `${sticky}:${cleanEnvironment['PATH'] ?? ''}`};
		for (const words of [
			script,
			`sh ${script}`,
			`sh -c 'sleep 0; ${script}'`,
			`env A=1 ${script}`,
			'hook',
			join(sticky, 'hook'),
		]) {
			for (const option of ['--pre-backup-hook', '--post-backup-hook', '--cipher-pass-command']) {
				const {code, stderr} = await runProgram([...none, '-b', scratchDirectory('b'), option, words, 'a'], {env});
				assert.equal(code, 2, stderr);
				assert.match(stderr, /FATAL: --\S+: \S+ will not be executed: .* is writable by every user/);
			}
		}
		assert.ok(!existsSync(ran));
	});

	test('flock is not run from a directory that every user can write', async () => {
		const sticky = scratchDirectory('sticky');
		chmodSync(sticky, 0o1777);
		const ran = join(scratchDirectory('ran'), 'ran');
		writeFileSync(join(sticky, 'flock'), `#!/bin/sh\necho x > ${ran}\n`, {mode: 0o755});
		const run = await runProgram([...connectTo(server, scratchDirectory('b')), '--dump-only', 'a'], {
			env: {PATH: `${sticky}:${cleanEnvironment['PATH'] ?? ''}`},
		});
		assert.equal(run.code, 0, run.stderr);
		assert.ok(!existsSync(ran));
	});

	test('for the passphrase with what only a shell understands is refused; a hook is named', async () => {
		for (const words of [
			'echo $(cat f)',
			'echo "$(cat f)"',
			'pass show x | head -1',
			'cat ~/pass',
			'cat $HOME/x',
			'echo `id`',
			'cat /x/*',
		]) {
			const {code, stderr} = await check(...none, '--cipher-pass-command', words);
			assert.equal(code, 2, stderr);
			assert.match(stderr, /no shell is used: \S+ would be passed literally, write sh -c '…'/, words);
			const file = await check('-c', write('c.conf', `cipher_pass_command = ${words}\n`, 0o600));
			assert.equal(file.code, 10, file.stderr);
		}
		for (const words of [
			`sh -c 'echo $(cat f)'`,
			`sh -c "pass $HOME | head -1"`,
			`echo 'pa$$w(rd'`,
			String.raw`echo pa\$w`,
		]) {
			const {code, stderr} = await check(...none, '--cipher-pass-command', words);
			assert.equal(code, 0, stderr);
		}
		const hook = await check(...none, '--pre-backup-hook', 'touch a && touch b');
		assert.equal(hook.code, 0, hook.stderr);
		assert.match(hook.stderr, /WARN: pre_backup_hook: executed without a shell, && is passed literally/);
		const shell = await check(...none, '--pre-backup-hook', `sh -c 'touch a && touch b'`);
		assert.doesNotMatch(shell.stderr, /WARN/);
	});

	test('that hangs is stopped with all that it has started', async () => {
		const directory = scratchDirectory('hang');
		const hang = `sh -c 'sleep 987 & echo $! > ${directory}/pid; wait'`;
		for (const [args, why] of [
			[['--pre-backup-hook', hang, '--hook-timeout', '1'], /hook command failed: it took longer than 1 s/],
			[
				['--encrypt', '--cipher-pass-command', hang, '--key-command-timeout', '1'],
				/cipher_pass_command: sh took longer than 1 s/,
			],
		] as const) {
			const {code, stderr} = await runProgram([...connectTo(server, scratchDirectory('b')), ...args, 'a']);
			assert.ok(code === 1 || code === 10, stderr);
			assert.match(stderr, why);
			const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'));
			await waitFor(async () => !existsSync(`/proc/${pid}`), 'the child of the command to end');
		}
	});
});

describe('a backup directory', () => {
	const backup = (directory: string, ...more: string[]) =>
		runProgram([...connectTo(server, directory), '--dump-only', ...more, 'a']);

	test('that every user can write is refused unless that is allowed; a sticky one of ours is named', async () => {
		const directory = scratchDirectory('shared');
		chmodSync(directory, 0o777);
		for (const more of [[], ['--dry-run'], ['--check-config=connect']]) {
			const refused = await backup(directory, ...more);
			assert.notEqual(refused.code, 0, refused.stderr);
			assert.match(refused.stderr, /backup directory .* is writable by every user \(mode 777\)/);
		}
		assert.deepEqual(shapesIn(directory), []);
		const allowed = await backup(directory, '--allow-shared-directory');
		assert.equal(allowed.code, 0, allowed.stderr);
		assert.match(allowed.stderr, /WARN: backup directory .* is writable by every user/);
		chmodSync(directory, 0o1777);
		const sticky = await backup(directory);
		assert.equal(sticky.code, 0, sticky.stderr);
		assert.match(sticky.stderr, /WARN: backup directory .* it is sticky/);
		chmodSync(directory, 0o775);
		const group = await backup(directory);
		assert.equal(group.code, 0, group.stderr);
		assert.doesNotMatch(group.stderr, /WARN/);
	});

	test('below one that every user can write is refused', async () => {
		const parent = scratchDirectory('shared');
		const directory = join(parent, 'b');
		mkdirSync(directory);
		chmodSync(parent, 0o777);
		const refused = await backup(directory);
		assert.equal(refused.code, 10, refused.stderr);
		assert.match(refused.stderr, /can be replaced by every user/);
	});

	test('on a mount that refuses modes takes dumps, with one warning', needsStrace, async () => {
		const directory = scratchDirectory('modes');
		const log = join(scratchDirectory('log'), 'log');
		const run = await runProgram([...connectTo(server, directory), 'a'], {
			wrapper: [...traced(log, 'fchmod'), '-e', 'inject=fchmod:error=EPERM'],
		});
		assert.equal(run.code, 0, run.stderr);
		assert.equal(run.stderr.match(/WARN: .*does not keep file modes/g)?.length, 1, run.stderr);
		assert.ok(shapesIn(directory).includes('a_T.dump'));
	});
});
