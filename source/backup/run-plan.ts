/** The plan that a run makes before it writes anything, and executes. */
import type {Emit} from '../core/events.js';
import type {ServerFile} from '../postgres/server-files.js';
import type {Session} from '../postgres/session.js';
import {formatVersion} from '../postgres/versions.js';
import type {Remote} from '../repository/remote.js';
import {removalsOf} from '../retention/purge-plan.js';
import type {ServerContext} from '../runs/context.js';
import type {Task} from '../runs/scheduler.js';
import {jobId} from './job-subjects.js';
import {type BackupPlan, errorOf, planBackup, type PlanFacts, plannedSubjects, type ServerFileKind} from './plan.js';
import {type FactOptions, findFacts} from './plan-facts.js';
import {type PlacePlanned, planBackupDirectory, planRemoteLocation} from './plan-purge.js';
import type {ShardRun} from './shard.js';

export type RunPlan = {
	readonly facts: PlanFacts;
	readonly serverFiles: ReadonlyMap<ServerFileKind, ServerFile>;
	/** The plan without the purge, which `purge` computes. */
	readonly plan: BackupPlan;
	/**
	 * Returns the planned purge of every place; of remotes only if they are purged. Rejects only when the run is canceled.
	 */
	readonly purge: () => Promise<PlannedPurge>;
};

export type PlannedPurge = {
	readonly local: PlacePlanned;
	/** In the order of the places that are uploaded to; empty if they are not purged. */
	readonly far: readonly PlacePlanned[];
};

export type RunPlanOptions = {
	readonly run: ServerContext;
	readonly session: Session;
	readonly start: number;
	readonly databases: readonly string[] | undefined;
	readonly shard: ShardRun | undefined;
	/** Where dumps are uploaded to. */
	readonly places: readonly Remote[];
	/** Called when the server is known, before the databases are listed. */
	readonly onServer: () => void;
	/** Returns true for keys that this run has started to upload. */
	readonly isOwn: (key: string) => boolean;
};

/**
 * Makes the plan. Throws the reason for which the run is refused. Remotes are listed while the dumps run, so that one
 * that does not respond does not delay them. Only removals are kept in memory, because a million files may stay.
 */
export async function planRun(options: RunPlanOptions): Promise<RunPlan> {
	const {run, places, isOwn} = options;
	const {facts, serverFiles} = await findFacts(factOptions(options));
	const draft = planBackup(facts);
	for (const text of draft.warnings) run.emit({type: 'log', level: 'warn', text});
	if (draft.refused) throw errorOf(draft.refused);
	const context = {run, facts, subjects: plannedSubjects(draft), coming: draft.outputs};
	const local = remembered(run.emit, await planBackupDirectory(context));
	const purged = run.configuration.settings.purgeRemote ? places : [];
	const far = Promise.all(
		purged.map(async remote => remembered(run.emit, await planRemoteLocation({...context, remote, ignores: isOwn}))),
	);
	far.catch(() => undefined); // a run that fails before its purge does not await it
	return {
		facts,
		serverFiles,
		plan: draft,
		purge: async () => ({local, far: await far}),
	};
}

function factOptions({run, session, start, databases, shard, places, onServer}: RunPlanOptions): FactOptions {
	return {
		...{run, session, start, databases, shard, places},
		onServer(server, {pgDump, reason}) {
			run.emit({type: 'run.connected', server});
			const text = `using pg_dump ${formatVersion(pgDump.version)} at ${pgDump.path}: ${reason}`;
			run.emit({type: 'log', level: 'info', text});
			onServer();
		},
	};
}

/** Replaces tasks that the plan expects to fail by tasks that fail with the planned error and do nothing. */
export function asPlanned({outputs}: BackupPlan, tasks: readonly Task[]): readonly Task[] {
	const problems = new Map(
		outputs.flatMap(output => (output.problem ? [[jobId(output), errorOf(output.problem)] as const] : [])),
	);
	return tasks.map(task => {
		const problem = problems.get(task.plan.id);
		return problem ? {...task, run: () => Promise.reject(problem)} : task;
	});
}

function remembered(emit: Emit, planned: PlacePlanned): PlacePlanned {
	for (const text of planned.purge.plan.warnings) emit({type: 'log', level: 'warn', text});
	return {...planned, purge: {...planned.purge, plan: removalsOf(planned.purge.plan)}};
}
