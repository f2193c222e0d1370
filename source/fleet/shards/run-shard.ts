/** `--shard`: one process of a run that is divided among several, on any hosts that an engine provides. */
import {runBackup} from '../../backup/backup.js';
import type {ShardRun} from '../../backup/shard.js';
import type {Configuration} from '../../config/configuration.js';
import type {ShardChoice} from '../../config/shard.js';
import {CancelledError, PgBackError} from '../../core/errors.js';
import {plural} from '../../lib/format.js';
import {openRemote, type Remote} from '../../repository/remote.js';
import type {RunContext, RunResult, StoreContext} from '../../runs/context.js';
import {resultOf} from '../../runs/outcome.js';
import {requireDivisible, timeTextOf} from './inventory.js';
import {propose, serverNameOf} from './propose.js';
import {type PlannedServer, runDirectory, shardsOf, type SharedPlan} from './run-plan.js';
import {openSpool} from './spool.js';
import {type PlanStore, planStore} from './store-plan.js';

/** Runs the part of this process. Never throws for a failed backup: the result reports it. */
export async function runShard(run: RunContext, choice: ShardChoice): Promise<RunResult> {
	const remote = await openStore(run);
	try {
		const store = planStore(run, remote, choice.runName);
		const plan = (await store.read()) ?? (await store.agree(await proposeAlone(run, remote, choice)));
		await checkPlan(run.now, choice, plan, store);
		const server = ownServer(run, plan);
		return await runPart(run, {choice, plan, server, store});
	} finally {
		await remote.close();
	}
}

/** `--write-plan`: writes the plan and dumps nothing. */
export async function writePlan(run: RunContext, choice: ShardChoice): Promise<RunResult> {
	const remote = await openStore(run);
	try {
		const store = planStore(run, remote, choice.runName);
		const plan = (await store.read()) ?? (await store.write(await proposeAlone(run, remote, choice)));
		await checkPlan(run.now, choice, plan, store);
		const databases = plan.servers.reduce((sum, server) => sum + server.databases.length, 0);
		const text = `the plan of run ${plan.runName}: ${plural(databases, 'database')} in ${plural(plan.shards, 'shard')}`;
		run.emit({type: 'log', level: 'info', text});
		return resultOf([], run.signal);
	} finally {
		await remote.close();
	}
}

async function openStore(run: StoreContext): Promise<Remote> {
	const [store] = run.configuration.settings.upload;
	if (store === undefined)
		throw new PgBackError('CONFIG', '--shard needs upload: the processes meet at the remote location');
	return openRemote(run, store);
}

async function proposeAlone(run: RunContext, remote: Remote, {of, runName}: ShardChoice): Promise<SharedPlan> {
	return propose({runName, shards: of, remote, runs: [run], concurrency: 1, mayFail: false});
}

async function checkPlan(now: () => Date, choice: ShardChoice, plan: SharedPlan, store: PlanStore): Promise<void> {
	const {runName} = choice;
	if (plan.shards !== choice.of)
		throw new PgBackError(
			'CONFIG',
			`run ${runName} has ${plan.shards} shards, and this process was told ${choice.of}`,
			{
				hint: 'give all processes of a run the same number of shards, and each run a --run-name of its own',
			},
		);
	if (now().getTime() > Date.parse(plan.deadline))
		throw new PgBackError('CONFIG', `the deadline of run ${runName} was ${plan.deadline}`, {
			hint: 'start a new run with another --run-name, or raise run_deadline',
		});
	if (!choice.isKnownRun && (await store.isComplete(plan)))
		throw new PgBackError('CONFIG', `run ${runName} is complete, it began at ${plan.start}`, {
			hint: 'start a new run with another --run-name',
		});
}

/** Throws CONFIG when the plan does not contain the server of this configuration. */
function ownServer(run: Pick<RunContext, 'configuration'>, plan: SharedPlan): PlannedServer {
	const name = serverNameOf(run);
	const server = plan.servers.find(one => one.name === name);
	const hint = 'give each run a --run-name of its own, and all its processes the same configuration';
	if (!server) throw new PgBackError('CONFIG', `run ${plan.runName} does not back up the server ${name}`, {hint});
	if (server.prefix !== run.configuration.settings.uploadPrefix)
		throw new PgBackError('CONFIG', `run ${plan.runName} uploads to another prefix than this process`, {hint});
	const timeText = timeTextOf(run, Date.parse(plan.start));
	if (server.timeText !== timeText)
		throw new PgBackError(
			'CONFIG',
			`run ${plan.runName} names its files ${server.timeText}, this process ${timeText}`,
			{
				hint: 'give all processes of a run the same time zone (TZ) and timestamp_format',
			},
		);
	return server;
}

type Part = {
	readonly choice: ShardChoice;
	readonly plan: SharedPlan;
	readonly server: PlannedServer;
	readonly store: PlanStore;
};

async function runPart(run: RunContext, {choice, plan, server, store}: Part): Promise<RunResult> {
	const index = choice.index ?? 0;
	const what = `shard ${index} of ${plan.shards} of run ${plan.runName}`;
	const own = server.databases.filter(({shard}) => shard === index).map(({name}) => name);
	if (!shardsOf(server).includes(index)) {
		run.emit({type: 'log', level: 'info', text: `${what}: nothing to do`});
		return resultOf([], run.signal);
	}
	requireDivisible(run, own);
	run.emit({type: 'log', level: 'info', text: `${what}: ${plural(own.length, 'database')}`});
	const spool = await openSpool(run);
	try {
		const result = await runBackup(
			{...inSpool(run, spool.template), runId: plan.runId},
			{shard: shardRun(run.configuration, {plan, server, index, own, dead: spool.dead})},
		);
		if (result.exitCode === 0) await store.markDone(server.name, index);
		return result;
	} catch (error) {
		if (error instanceof CancelledError) return resultOf([], run.signal);
		throw error;
	} finally {
		await spool.remove();
	}
}

function shardRun(
	configuration: Configuration,
	{
		plan,
		server,
		index,
		own,
		dead,
	}: {
		readonly plan: SharedPlan;
		readonly server: PlannedServer;
		readonly index: number;
		readonly own: readonly string[];
		readonly dead: ReadonlySet<string>;
	},
): ShardRun {
	const {fleetPrefix} = configuration.settings;
	return {
		facts: {
			index,
			of: plan.shards,
			expected: shardsOf(server),
			deadline: plan.deadline,
			databases: server.databases.map(({name}) => name),
		},
		start: Date.parse(plan.start),
		// A server without known databases is listed again by the shard that has all of it.
		databases: server.databases.length === 0 ? undefined : own,
		withServer: server.globals === index,
		claims: `${runDirectory(fleetPrefix, plan.runName)}claims/${server.name}/`,
		systemIdentifier: server.systemIdentifier,
		dead,
	};
}

/**
 * Files are written to the spool and uploaded from there; old dumps are purged by `--purge`, which sees the whole run.
 */
function inSpool<Context extends Pick<RunContext, 'configuration'>>(run: Context, template: string): Context {
	const {configuration} = run;
	return {
		...run,
		configuration: {
			...configuration,
			settings: {...configuration.settings, backupDirectory: template, deleteUploaded: true, purgeRemote: false},
		},
	};
}
