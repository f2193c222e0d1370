/** The shards of a run under a real engine: a Slurm job array, whose elements are killed and requeued at random. */
import assert from 'node:assert/strict';
import {chmodSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {setTimeout as delay} from 'node:timers/promises';
import {configFile, startS3Place} from '../e2e/remote-places.js';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {cleanEnvironment, connectTo, programPath, runProgram} from '../helpers/program.js';
import {seededRandom} from '../helpers/shard-controller.js';
import {assertOneRun, watchRewrites} from '../helpers/shard-place.js';
import {type Slurm, slurmMissing, startSlurm} from '../helpers/slurm.js';

const databases = Array.from({length: 12}, (_, index) => `d${String(index).padStart(2, '0')}`);
const shards = 4;

describe('a Slurm job array', {skip: slurmMissing}, () => {
	let cluster: Cluster;
	let slurm: Slurm;
	before(async () => {
		cluster = await startCluster({name: 'slurm'});
		for (const name of databases) await cluster.psql('postgres', `create database ${name}`);
		slurm = await startSlurm(shards);
	});
	after(async () => {
		await slurm.stop();
		await cluster.stop();
	});

	type Element = {readonly id: string; readonly state: string; readonly reason: string};

	/** Such as `1_0`, `PENDING`, `BeginTime`. */
	async function elements(job: string): Promise<readonly Element[]> {
		const text = await slurm.command('squeue', '-h', '-r', '-t', 'all', '-j', job, '-o', '%i %T %r');
		return text
			.trim()
			.split('\n')
			.map(line => line.split(' '))
			.map(([id = '', state = '', reason = '']) => ({id, state, reason}));
	}

	test('killed and requeued at random: one complete run, each database once, nothing written twice', async () => {
		const place = await startS3Place();
		const random = seededRandom(11);
		try {
			const rewritten = watchRewrites(place.server);
			const config = join(slurm.directory, 'pg_back.conf');
			const lines = [...place.settings, 'upload = s3', 'upload_prefix = x', 'fleet_prefix = fleet'];
			writeFileSync(config, `${lines.join('\n')}\n`);
			chmodSync(config, 0o644);
			const connection = connectTo(cluster, join(slurm.directory, 'spool')).slice(1);
			const words = [process.execPath, await programPath(), '-c', config, ...connection, '--shard=auto'];
			const script = join(slurm.directory, 'job.sh');
			writeFileSync(script, `#!/bin/sh\nexec ${words.map(word => `'${word}'`).join(' ')}\n`);
			const variables = Object.entries(cleanEnvironment).map(([name, value]) => `${name}=${value}`);
			const output = join(slurm.directory, '%A_%a.log');
			const submitted = await slurm.command(
				'sbatch',
				...['--parsable', `--array=0-${shards - 1}`, '--requeue', `--export=${variables.join(',')}`],
				...[`--chdir=${slurm.directory}`, `--output=${output}`, '--open-mode=append', script],
			);
			const job = submitted.trim();
			let disturbances = 0;
			for (;;) {
				const all = await elements(job);
				const over = all.filter(({state}) => !['RUNNING', 'PENDING', 'COMPLETING', 'REQUEUED'].includes(state));
				const failed = over.filter(({state}) => state !== 'COMPLETED');
				// One that was killed has failed for Slurm; an administrator, or a policy, starts it again.
				for (const {id} of failed) await requeue(id);
				if (failed.length === 0 && over.length === shards) break;
				// Slurm would leave what is requeued alone for two minutes.
				for (const {id, reason} of all) if (reason === 'BeginTime') await startNow(id);
				const running = all.filter(({state}) => state === 'RUNNING');
				const victim = running[Math.floor(random() * running.length)];
				if (victim !== undefined && disturbances < 6 && random() < 0.4) {
					disturbances++;
					if (random() < 0.5) await slurm.command('scancel', '--signal=KILL', '--full', victim.id);
					else await requeue(victim.id);
				}
				await delay(100 + random() * 300);
			}
			assert.ok(disturbances > 0, 'nothing was disturbed');
			assert.deepEqual(rewritten, []);
			await assertOneRun(place, [...databases, 'postgres'].toSorted()).catch((error: unknown) => {
				const logs = readdirSync(slurm.directory).filter(name => name.endsWith('.log'));
				const text = logs.map(name => `${name}:\n${readFileSync(join(slurm.directory, name), 'utf8')}`).join('\n');
				throw new Error(text, {cause: error});
			});
			const verified = await runProgram(['-c', configFile(lines), '--verify=s3']);
			assert.equal(verified.code, 0, verified.stderr);
		} finally {
			await place.stop();
		}
	});

	async function requeue(id: string): Promise<void> {
		await slurm.command('scontrol', 'requeue', id).catch(() => ''); // it has just ended, or is being requeued
	}

	async function startNow(id: string): Promise<void> {
		await slurm.command('scontrol', 'update', `JobId=${id}`, 'StartTime=now').catch(() => ''); // it has just begun
	}
});
