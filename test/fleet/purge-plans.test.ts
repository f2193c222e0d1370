/** What old divided runs left is removed by a purge. */
import assert from 'node:assert/strict';
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {purgePlans} from '../../source/fleet/shards/purge-plans.js';
import {scratchDirectory} from '../helpers/program.js';
import {runContext} from '../helpers/run-context.js';

const day = 86_400_000;

function plan(runName: string, deadline: number): string {
	const time = new Date(deadline).toISOString();
	const runId = '00000000-0000-0000-0000-000000000000';
	return JSON.stringify({schema: 1, runName, runId, start: time, deadline: time, shards: 1, servers: []});
}

test('plans are removed a week after the deadline of their run, with all that belongs to them', async () => {
	const remote = scratchDirectory('plans');
	const plans = join(remote, 'fleet/plans');
	for (const [name, deadline] of [
		['old', Date.now() - 8 * day],
		['young', Date.now() - 6 * day],
		['running', Date.now() + day],
	] as const) {
		mkdirSync(join(plans, name, 'claims/s'), {recursive: true});
		writeFileSync(join(plans, name, 'claims/s/app.json'), 'x');
		writeFileSync(join(plans, `${name}.json`), plan(name, deadline));
	}
	writeFileSync(join(plans, 'damaged.json'), '{');
	writeFileSync(join(plans, 'mine.txt'), 'x');
	const run = await runContext([`--local-directory=${remote}`, '--fleet-prefix=fleet', '--purge=local']);
	await purgePlans(run, 'local');
	const left = readdirSync(plans, {recursive: true, withFileTypes: true}).filter(entry => entry.isFile());
	assert.deepEqual(left.map(({parentPath, name}) => join(parentPath, name).slice(plans.length + 1)).toSorted(), [
		'damaged.json',
		'mine.txt',
		'running.json',
		'running/claims/s/app.json',
		'young.json',
		'young/claims/s/app.json',
	]);
	assert.deepEqual(run.logged(), [`removed the plans of 1 old run from ${remote}/fleet/plans/`]);
});
