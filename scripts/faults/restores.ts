/**
 * SIGKILL at random moments of `--restore --replace`: of us, of pg_restore, or of a loading backend (after which the
 * server recovers from a crash). The live database must be the old one, unchanged, or the restored one, complete;
 * `--cleanup-restores` drops what is left.
 */
import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {clientDirectory, type Cluster, startCluster} from '../../test/helpers/cluster.js';
import {connectTo, runProgram} from '../../test/helpers/program.js';
import {type Bench, type Figure, lastLines, marked, randomSource, startMarked} from './sweep.js';

const victims = ['us', 'pg_restore', 'server'] as const;

export async function restoreKillSweep(bench: Bench, kills: number, seed = 1): Promise<Figure> {
	const random = randomSource(seed);
	const {directory} = bench.places('restores');
	const backup = await runProgram([...connectTo(bench.server, directory), 'big']);
	if (backup.code !== 0) throw new Error(`the backup failed: ${backup.stderr}`);
	const target = await startCluster({name: 'restore-kills'});
	try {
		await target.psql('postgres', `create database big connection limit 9; comment on database big is 'live'`);
		await target.psql('big', 'create table live as select i from generate_series(1, 1000) i; create index on live (i)');
		const [old, restored] = [stateOf(target, 'big'), textOf(bench.server, 'big')];
		const args = [
			...connectTo(target, directory),
			...['--restore', 'backup', 'big', '--replace', '--confirm', 'big', '--restore-jobs', '2'],
		];
		const violations: string[] = [];
		const notes: Record<string, number> = {'swapped before the kill': 0, leftovers: 0, 'ended by itself': 0};
		let span = 0;
		for (let round = 0; round <= kills; round++) {
			const say = (text: string) => violations.push(`round ${round}: ${text}`);
			const victim = victims[Math.floor(random() * victims.length)] ?? 'us';
			const started = performance.now();
			const run = await startMarked(args);
			// The first round is not killed: it measures the duration.
			if (round > 0) {
				const killed = await kill(target, run, victim, random() * (victim === 'us' ? span : 150));
				if (killed) notes[victim] = (notes[victim] ?? 0) + 1;
			}
			const {code, stderr} = await run.ended;
			const took = performance.now() - started;
			if (code === 0) span = span === 0 ? took : (span + took) / 2;
			if (code !== null) notes['ended by itself'] = (notes['ended by itself'] ?? 0) + 1;
			await answers(target);
			const isNew = textOf(target, 'big') === restored;
			if (!isNew && JSON.stringify(stateOf(target, 'big')) !== JSON.stringify(old))
				say(`the live database changed after the kill of ${victim}`);
			if (code === 0 && !isNew) say('exit status 0 and the database is not the restored one');
			if (round === 0 && code !== 0) throw new Error(`the first restore failed: ${stderr}`);
			if (round > 0 && isNew) notes['swapped before the kill'] = (notes['swapped before the kill'] ?? 0) + 1;
			notes['leftovers'] = (notes['leftovers'] ?? 0) + (await hiddenIn(target)).length;
			const cleanup = await runProgram([...connectTo(target, directory), '--cleanup-restores']);
			if (cleanup.code !== 0) say(`--cleanup-restores ended with ${cleanup.code}: ${lastLines(cleanup.stderr)}`);
			for (const name of await hiddenIn(target)) say(`${name} is still there after --cleanup-restores`);
			if (isNew) await swapBack(target, directory);
			if (JSON.stringify(stateOf(target, 'big')) !== JSON.stringify(old))
				say('the old database did not come back whole');
		}
		return {
			goal: 'RK',
			what: 'kills of a restore after which a live database changed, a hidden one stays, or 0 was a lie',
			total: kills,
			violations,
			notes,
		};
	} finally {
		await target.stop();
	}
}

/** `milliseconds` after the start of us, or of the others' work. False when there was nothing to kill any more. */
async function kill(
	target: Cluster,
	run: Awaited<ReturnType<typeof startMarked>>,
	victim: (typeof victims)[number],
	milliseconds: number,
): Promise<boolean> {
	if (victim === 'us') {
		await delay(milliseconds);
		return run.child.exitCode === null && run.child.kill('SIGKILL');
	}
	const find = victim === 'pg_restore' ? () => restoresOf(run.mark) : () => backendsOf(target);
	while (run.child.exitCode === null && (await find()).length === 0) await delay(5);
	await delay(milliseconds);
	const [pid] = await find();
	if (pid === undefined) return false;
	try {
		return process.kill(pid, 'SIGKILL');
	} catch {
		return false; // it has just exited
	}
}

async function restoresOf(mark: string): Promise<readonly number[]> {
	return marked(mark).flatMap(line => (/^\d+ \S*pg_restore -w /.test(line) ? [Number.parseInt(line, 10)] : []));
}

async function backendsOf(target: Cluster): Promise<readonly number[]> {
	const pids = await target.psql(
		'postgres',
		`select pid from pg_stat_activity where datname ~ '[.]pgbk-' and backend_type = 'client backend'`,
	);
	return pids.split('\n').filter(Boolean).map(Number);
}

/** After a crash of a backend the server rejects connections for a moment. */
async function answers(target: Cluster): Promise<void> {
	for (let attempt = 1; ; attempt++) {
		try {
			await target.psql('postgres', 'select 1');
			return;
		} catch (error) {
			if (attempt === 300) throw error;
			await delay(100);
		}
	}
}

async function swapBack(target: Cluster, directory: string): Promise<void> {
	const {code, stderr} = await runProgram([...connectTo(target, directory), '--swap-back', 'big']);
	if (code !== 0) throw new Error(`--swap-back failed: ${stderr}`);
	const names = await target.psql('postgres', `select datname from pg_database where datname ~ '^big_before_'`);
	for (const name of names.split('\n').filter(Boolean))
		await target.psql('postgres', `drop database "${name}" with (force)`);
}

async function hiddenIn(target: Cluster): Promise<readonly string[]> {
	return (await target.psql('postgres', `select datname from pg_database where datname ~ '[.]pgbk-'`))
		.split('\n')
		.filter(Boolean);
}

/**
 * Returns everything that a swap must keep or restore: what the catalog contains about the database, and its contents.
 */
function stateOf(cluster: Cluster, database: string): readonly string[] {
	const catalog = execFileSync(
		join(clientDirectory(cluster.major), 'psql'),
		[
			...['-XAtq', '-d', cluster.connectionString('postgres'), '-c'],
			`select oid, datname, datdba, datconnlimit, datallowconn, datacl, shobj_description(oid, 'pg_database') from pg_database where datname = '${database}'`,
		],
		{encoding: 'utf8'},
	);
	return [catalog, textOf(cluster, database)];
}

/** Returns the output of pg_dump, without what differs between any two dumps. */
function textOf(cluster: Cluster, database: string): string {
	return execFileSync(join(clientDirectory(cluster.major), 'pg_dump'), ['-d', cluster.connectionString(database)], {
		encoding: 'utf8',
		maxBuffer: 1 << 28,
	})
		.replaceAll(/^\\(un)?restrict .*$/gm, '')
		.replaceAll(/^-- (Started|Completed) on .*$/gm, '');
}
