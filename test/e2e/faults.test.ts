/** The sweeps of `npm run test:faults` in a form that takes two minutes. What they find is a bug, whatever the seed. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {damageSweep} from '../../scripts/faults/damage.js';
import {killSweep} from '../../scripts/faults/kills.js';
import {modeSweep} from '../../scripts/faults/modes.js';
import {overlapSweep} from '../../scripts/faults/overlaps.js';
import {powerSweep, stateAt, stepsOf} from '../../scripts/faults/power.js';
import {remoteSweep} from '../../scripts/faults/remote.js';
import {secretSweep} from '../../scripts/faults/secrets.js';
import {signalSweep} from '../../scripts/faults/signals.js';
import {type Bench, openBench} from '../../scripts/faults/sweep.js';
import {syscallSweep} from '../../scripts/faults/syscalls.js';
import {findTool} from '../helpers/tools.js';
import {report, seed} from './fault-report.js';

let bench: Bench;
before(async () => {
	bench = await openBench(15);
});
after(async () => bench.close());

const traced = {skip: findTool('strace') === undefined ? 'strace is not installed' : false};

test('kills', async context => report(context, await killSweep(bench, 5, seed)));
test('failing system calls', traced, async context => report(context, await syscallSweep(bench, 8, seed)));
test('power failures', traced, async context => report(context, await powerSweep(bench, 5000, seed)));
test('overlapping runs', async context => report(context, await overlapSweep(bench, 3, seed)));
test('signals', async context => report(context, await signalSweep(bench, 6, seed)));
test('broken remotes', async context => report(context, await remoteSweep(bench, 8, {seed})));
for (const store of ['none', 'local', 's3'])
	test(`secrets, store: ${store}`, async context => report(context, await secretSweep([store])));
test('modes', traced, async context => report(context, await modeSweep(bench)));
for (const part of [1, 2])
	test(`damaged dumps, part ${part} of 2`, async context => report(context, await damageSweep(bench, 30, seed + part)));

test('the model of power failures finds a file that gets its name before it is flushed', () => {
	const trace = (flushed: boolean) =>
		[
			'1 openat(AT_FDCWD<x>, "/b/.p", O_WRONLY|O_CREAT, 0600) = 3</b/.p>',
			'1 write(3</b/.p>, ""..., 10) = 10',
			...(flushed ? ['1 fsync(3</b/.p>) = 0'] : []),
			'1 link("/b/.p", "/b/final") = 0',
			'1 unlink("/b/.p") = 0',
			'1 fsync(4</b>) = 0',
		].join('\n');
	const after = (flushed: boolean, survives: boolean) => {
		const steps = stepsOf(trace(flushed), ['/b']);
		return [...stateAt(steps, steps.length, () => survives)];
	};
	assert.deepEqual(after(true, false), [['/b/final', true]]);
	assert.deepEqual(after(false, false), [['/b/final', false]]);
	assert.deepEqual(after(false, true), [['/b/final', true]]);
});
