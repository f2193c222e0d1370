/** The purge at the end of a run: the plan made at its start, without what the outcome or a later change protects. */
import type {PgBackError} from '../core/errors.js';
import type {Remote} from '../repository/remote.js';
import type {Subject} from '../retention/names.js';
import {executeLocalPurge} from '../retention/purge.js';
import {restrictPlan} from '../retention/purge-plan.js';
import {executeRemotePurge} from '../retention/purge-remote.js';
import type {ConfiguredContext} from '../runs/context.js';
import type {PlanFacts} from './plan.js';
import {type PlacePlanned, planBackupDirectory, planRemoteLocation} from './plan-purge.js';
import type {Published} from './published-files.js';
import type {PlannedPurge} from './run-plan.js';

export type PurgeStep = {
	readonly run: ConfiguredContext;
	readonly facts: Pick<PlanFacts, 'start' | 'inventory' | 'server'>;
	readonly published: Published;
	/** Where this run has uploaded to. */
	readonly places: readonly Remote[];
	/** Returns the subjects that this run has dumped and stored there: only their old dumps are purged. */
	readonly subjectsAt: (remote?: Remote) => readonly Subject[];
	/** Databases that are not purged. */
	readonly shrunk: ReadonlySet<string>;
	/** The plans made at the start of the run. */
	readonly planned: PlannedPurge;
};

/** Tries everything; reports and returns the failures. Never removes more than was planned. */
export async function purgeAfterBackup(step: PurgeStep): Promise<readonly PgBackError[]> {
	step.run.emit({type: 'run.phase', phase: 'purging', text: 'purging old dumps'});
	const failures = [...(await purgeDirectory(step))];
	for (const [index, remote] of step.places.entries())
		failures.push(...(await purgeRemoteLocation(step, remote, step.planned.far[index])));
	for (const {message} of failures) step.run.emit({type: 'log', level: 'error', text: message});
	return failures;
}

async function purgeDirectory({
	run,
	facts,
	subjectsAt,
	shrunk,
	published,
	planned,
}: PurgeStep): Promise<readonly PgBackError[]> {
	const now = await planBackupDirectory({run, facts, subjects: subjectsAt(), shrunk, current: published.paths()});
	const plan = restrictPlan(now.purge.plan, planned.local.purge.plan);
	return [...now.errors, ...(await executeLocalPurge(plan, run))];
}

async function purgeRemoteLocation(
	step: PurgeStep,
	remote: Remote,
	planned: PlacePlanned | undefined,
): Promise<readonly PgBackError[]> {
	const {run, facts, subjectsAt, shrunk, published} = step;
	if (!planned) return [];
	if (planned.errors.length > 0) return planned.errors; // nothing was planned, so nothing is removed
	const {records} = planned;
	const subjects = subjectsAt(remote);
	const now = await planRemoteLocation({run, facts, subjects, shrunk, current: published.keys(), remote, records});
	const plan = restrictPlan(now.purge.plan, planned.purge.plan);
	const {emit, signal} = run;
	return [...now.errors, ...(await executeRemotePurge(plan, {storage: remote.storage, emit, signal}))];
}
