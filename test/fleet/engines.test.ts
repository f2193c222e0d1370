/** The files for engines that are in contrib/. */
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, test} from 'node:test';
import {newAgeKeys, runProgram, scratchDirectory} from '../helpers/program.js';
import {root} from '../helpers/tools.js';

const kubernetes = readFileSync(join(root, 'contrib/kubernetes/fleet.yaml'), 'utf8');
const slurm = join(root, 'contrib/slurm/pg_back.sbatch');

describe('contrib', () => {
	test('the configuration and the arguments of fleet.yaml are right', async () => {
		const [, block = ''] = /pg_back\.conf: \|\n((?: {4}.*\n)+)/.exec(kubernetes) ?? [];
		const {recipient} = await newAgeKeys();
		const config = join(scratchDirectory('fleet'), 'pg_back.conf');
		const text = block.replaceAll(/^ {4}/gm, '').replace('age1REPLACE_WITH_YOUR_PUBLIC_KEY', recipient);
		writeFileSync(config, text, {mode: 0o600});
		const argumentLists = [...kubernetes.matchAll(/args:\n((?:\s+- --\S+\n)+)/g)].map(([, list = '']) =>
			[...list.matchAll(/- (--\S+)/g)].map(([, word = '']) =>
				word.replace(/--config=.*/, `--config=${config}`).replace('$(JOB_NAME)', 'pg-back-fleet-29412840'),
			),
		);
		assert.equal(argumentLists.length, 2);
		for (const args of argumentLists) {
			const {code, stderr, stdout} = await runProgram([...args, '--check-config'], {env: {JOB_COMPLETION_INDEX: '7'}});
			assert.equal(code, 0, stderr);
			assert.match(stdout, /^fleet_prefix = fleet /m);
			assert.match(stdout, /^upload_prefix = postgres\/shop\/ /m);
		}
	});

	test('every pod of fleet.yaml has what the Pod Security level "restricted" asks for', () => {
		const pods = kubernetes.split('kind: CronJob').slice(1);
		assert.equal(pods.length, 2);
		for (const pod of pods)
			for (const line of [
				/runAsNonRoot: true/,
				/seccompProfile:\n\s+type: RuntimeDefault/,
				/allowPrivilegeEscalation: false/,
				/drop: \[ALL\]/,
				/readOnlyRootFilesystem: true/,
				/automountServiceAccountToken: false/,
			])
				assert.match(pod, line);
	});

	test('as many indexes as shards, and a deadline that is not after that of the run', () => {
		const number = (pattern: RegExp) => Number(pattern.exec(kubernetes)?.[1]);
		assert.equal(number(/completions: (\d+)/), number(/--shard=auto\/(\d+)/));
		assert.ok(number(/activeDeadlineSeconds: (\d+)/) <= 3600 * number(/run_deadline = (\d+)h/));
	});

	test('the Slurm script is one, and starts a shard', () => {
		assert.equal(spawnSync('sh', ['-n', slurm]).status, 0);
		assert.match(readFileSync(slurm, 'utf8'), /^exec pg_back .*--shard=auto "\$@"$/m);
	});
});
