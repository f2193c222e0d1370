/** Children that are held: by their state, not by how long anything takes. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {startChild} from '../../source/process/child.js';
import {startHoldGuard} from '../../source/process/hold-guard.js';
import {areStopped} from '../../source/process/open-files.js';
import {waitFor} from '../helpers/postgres.js';

const env = {PATH: process.env['PATH']};
/** Starts processes all the time, some at once. */
const forking = 'while :; do (sleep 0.01; sleep 0.01) & sleep 0.005 & wait; done';
const stateOf = (pid: number): string => {
	try {
		return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1] ?? '';
	} catch {
		return ''; // it has exited
	}
};
const isGone = (pid: number) => ['', 'Z'].includes(stateOf(pid));

test('held while it starts processes: stopped with all of them, again and again', async () => {
	const abort = new AbortController();
	const child = startChild({command: 'sh', args: ['-c', forking], env, signal: abort.signal});
	const ended = assert.rejects(child.done, /over/);
	const pid = child.pid ?? 0;
	for (let round = 0; round < 30; round++) {
		await waitFor(
			() => {
				child.hold();
				return areStopped(pid);
			},
			'the group to stop',
			60,
		);
		assert.equal(await areStopped(pid), true);
		child.release();
		await waitFor(async () => !(await areStopped(pid)), 'the group to continue', 60);
	}
	abort.abort(new Error('over'));
	await ended;
});

test('a held child is ended by SIGTERM', async () => {
	const abort = new AbortController();
	const child = startChild({
		command: 'sh',
		args: ['-c', `trap 'echo ended >&2; exit 1' TERM; echo ready >&2; while :; do sleep 0.05; done`],
		env,
		signal: abort.signal,
		killAfter: 600_000,
		onLine: line => lines.push(line),
	});
	const lines: string[] = [];
	const ended = assert.rejects(child.done, /over/);
	await waitFor(() => Promise.resolve(lines.includes('ready')), 'the trap', 60);
	await waitFor(
		() => {
			child.hold();
			return areStopped(child.pid ?? 0);
		},
		'the group to stop',
		60,
	);
	abort.abort(new Error('over'));
	child.hold(); // without effect
	await ended;
	assert.equal(lines.at(-1), 'ended');
});

test('the guard does nothing as long as we live, and nothing when it has ended', async () => {
	const abort = new AbortController();
	const child = startChild({command: 'sh', args: ['-c', forking], env, signal: abort.signal});
	const ended = assert.rejects(child.done, /over/);
	const guard = await startHoldGuard(child.pid ?? 0, env);
	await waitFor(
		() => {
			child.hold();
			return areStopped(child.pid ?? 0);
		},
		'the group to stop',
		60,
	);
	assert.equal(guard.isAlive(), true);
	await guard.end();
	assert.equal(guard.isAlive(), false);
	assert.equal(await areStopped(child.pid ?? 0), true);
	abort.abort(new Error('over'));
	await ended;
});

test('a held group does not survive our death', async () => {
	const source = (name: string) => JSON.stringify(join(import.meta.dirname, '../../source/process', name));
	const program = `
		const {startChild} = await import(${source('child.ts')});
		const {startHoldGuard} = await import(${source('hold-guard.ts')});
		const {areStopped} = await import(${source('open-files.ts')});
		const env = {PATH: process.env.PATH};
		const child = startChild({command: 'sh', args: ['-c', 'sleep 1000 & echo $! >&2; wait'], env, signal: new AbortController().signal,
			onLine: async line => {
				await startHoldGuard(child.pid, env);
				while (!(await areStopped(child.pid))) child.hold();
				console.log(child.pid, line);
			}});
		await child.done;
	`;
	const parent: ChildProcess = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	let text = '';
	parent.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
	await waitFor(() => Promise.resolve(text.endsWith('\n')), 'the child to be held', 60);
	const pids = text.trim().split(' ').map(Number);
	assert.equal(pids.length, 2);
	assert.deepEqual(pids.map(stateOf), ['T', 'T']);
	parent.kill('SIGKILL');
	await waitFor(() => Promise.resolve(pids.every(isGone)), 'the group to end', 60);
});

test('a guard that cannot be started is an error', async () => {
	await assert.rejects(startHoldGuard(1 << 30, {PATH: '/nowhere'}), /sh/);
});
