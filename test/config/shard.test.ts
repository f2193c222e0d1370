/** Which shard of a run a process is. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {chooseShard} from '../../source/config/shard.js';
import {PgBackError} from '../../source/core/errors.js';

type Environment = Readonly<Record<string, string>>;

const choose = (text: string, env: Environment = {}, runName = 'r') =>
	chooseShard(text, {runName, writesPlan: false, env});

const slurm = (id: number, more: Environment = {}): Environment => ({
	SLURM_ARRAY_JOB_ID: '77',
	SLURM_ARRAY_TASK_ID: String(id),
	SLURM_ARRAY_TASK_MIN: '0',
	SLURM_ARRAY_TASK_MAX: '15',
	SLURM_ARRAY_TASK_STEP: '1',
	SLURM_ARRAY_TASK_COUNT: '16',
	...more,
});

describe('a shard', () => {
	test('is the one that is named', () => {
		assert.deepEqual(choose('3/8'), {index: 3, of: 8, runName: 'r', isKnownRun: false});
	});

	for (const [engine, env, text, index, of, name, known] of [
		['Kubernetes', {JOB_COMPLETION_INDEX: '0'}, 'auto/16', 1, 16, 'r', false],
		['Slurm', slurm(15), 'auto', 16, 16, 'r', false],
		['Slurm, requeued', slurm(0, {SLURM_RESTART_COUNT: '2'}), 'auto', 1, 16, 'r', true],
		[
			'Slurm with a step',
			slurm(5, {
				SLURM_ARRAY_TASK_MIN: '1',
				SLURM_ARRAY_TASK_MAX: '7',
				SLURM_ARRAY_TASK_STEP: '2',
				SLURM_ARRAY_TASK_COUNT: '4',
			}),
			'auto',
			3,
			4,
			'r',
			false,
		],
		['AWS Batch', {AWS_BATCH_JOB_ARRAY_INDEX: '2', AWS_BATCH_JOB_ARRAY_SIZE: '4'}, 'auto', 3, 4, 'r', false],
		['Cloud Run', {CLOUD_RUN_TASK_INDEX: '0', CLOUD_RUN_TASK_COUNT: '3'}, 'auto', 1, 3, 'r', false],
		['Nomad', {NOMAD_ALLOC_INDEX: '1'}, 'auto/2', 2, 2, 'r', false],
	] as const) {
		test(`is found: ${engine}`, () => {
			assert.deepEqual(choose(text, env), {index, of, runName: name, isKnownRun: known});
		});
	}

	for (const [engine, env, name] of [
		['Slurm', slurm(1), 'slurm-77'],
		[
			'AWS Batch',
			{AWS_BATCH_JOB_ARRAY_INDEX: '2', AWS_BATCH_JOB_ARRAY_SIZE: '4', AWS_BATCH_JOB_ID: 'a1-b2:2'},
			'batch-a1-b2',
		],
		['Cloud Run', {CLOUD_RUN_TASK_INDEX: '0', CLOUD_RUN_TASK_COUNT: '3', CLOUD_RUN_EXECUTION: 'job-x7'}, 'job-x7'],
		['Nomad', {NOMAD_ALLOC_INDEX: '0', NOMAD_JOB_ID: 'pg/periodic-17'}, 'pg-periodic-17'],
	] as const) {
		test(`gets the name of its run from ${engine}, also where it is named by hand`, () => {
			for (const text of ['auto/16', '1/16']) {
				const choice = choose(text, env, '');
				assert.deepEqual([choice.runName, choice.isKnownRun], [name, true]);
			}
		});
	}

	for (const [what, text, env, name, message] of [
		['no number', 'x', {}, 'r', /is not I\/N, auto or auto\/N/],
		['0', '0/4', {}, 'r', /there is no shard 0 of 4/],
		['more than there are', '5/4', {}, 'r', /there is no shard 5 of 4/],
		['no shards', '1/0', {}, 'r', /0 shards/],
		['millions', '1/99999999', {}, 'r', /expected 1 to 10000/],
		['only a number', '3', {}, 'r', /the number of shards is not known/],
		['auto without an engine', 'auto/4', {}, 'r', /no engine numbers this process/],
		['auto without a count', 'auto', {JOB_COMPLETION_INDEX: '1'}, 'r', /the number of shards is not known/],
		['two engines', 'auto/4', {JOB_COMPLETION_INDEX: '1', NOMAD_ALLOC_INDEX: '1'}, 'r', /several engines/],
		['an index that is none', 'auto/4', {JOB_COMPLETION_INDEX: '-1'}, 'r', /does not number this process/],
		['an index beyond the end', 'auto/4', {JOB_COMPLETION_INDEX: '4'}, 'r', /there is no shard 5 of 4/],
		['an array with gaps', 'auto', slurm(1, {SLURM_ARRAY_TASK_COUNT: '3'}), 'r', /the number of shards is not known/],
		['no name', '1/4', {}, '', /needs --run-name/],
		[
			'the name of a Nomad job that runs again',
			'1/4',
			{NOMAD_ALLOC_INDEX: '0', NOMAD_JOB_ID: 'pg'},
			'',
			/needs --run-name/,
		],
		['a name with a slash', '1/4', {}, '../x', /cannot be the name of a run/],
		['an endless name', '1/4', {}, 'x'.repeat(129), /cannot be the name of a run/],
	] as const) {
		test(`is refused: ${what}`, () => {
			assert.throws(
				() => choose(text, env, name),
				(error: unknown) => error instanceof PgBackError && error.code === 'USAGE' && message.test(error.message),
			);
		});
	}
});
