/** Plans a backup without running it. */
import {type PgBackError, toPgBackError} from '../core/errors.js';
import {openSession} from '../postgres/session.js';
import {findPsql} from '../postgres/tools.js';
import {closeAll, openUploadPlaces, type Remote, shortRetries} from '../repository/remote.js';
import {downloadBase} from '../repository/remote-keys.js';
import {checkSharedDirectory} from '../repository/shared-directory.js';
import type {RunContext, SecretContext, ServerContext, StoreContext} from '../runs/context.js';
import {loadConfiguredDecryption} from '../runs/identities.js';
import {findOptions, prepare} from '../runs/prepare-backup.js';
import {lockReport} from '../runs/run-locks.js';
import {checkHookCommand} from '../stages/hook-command.js';
import {StorageError} from '../storage/errors.js';
import {type BackupPlan, type PlacePurge, planBackup, type PlanFacts, plannedSubjects} from './plan.js';
import {findFacts} from './plan-facts.js';
import {planBackupDirectory, planRemoteLocation} from './plan-purge.js';

export type PlanOptions = {
	/** Overrides the databases in the configuration. */
	readonly databases?: readonly string[] | undefined;
	/** False: the remote is not listed, and its purge is not in the plan. */
	readonly listRemote?: boolean;
};

/**
 * Connects, lists and checks; writes nothing, runs no hook, pauses nothing. Throws errors that stop a run before it
 * dumps anything; later failures are in the plan's `problems`.
 */
export async function planWithoutRunning(
	run: ServerContext & SecretContext,
	options: PlanOptions = {},
): Promise<BackupPlan> {
	const {settings} = run.configuration;
	await checkSharedDirectory(run);
	const {connection} = await prepare(run);
	let remotes: readonly Remote[] = [];
	try {
		await checkHookCommand(settings.preBackupHook, run.env);
		remotes = await openUploadPlaces(run, shortRetries);
		if (settings.verify === 'full') await loadConfiguredDecryption(run);
		const psql = await findPsql(findOptions(run));
		const session = await openSession({psql: psql.path, connection, signal: run.signal});
		try {
			const start = run.now().getTime();
			const {facts} = await findFacts({run, session, start, databases: options.databases, places: remotes});
			return await withPurge(run, beforeHook(facts), remotes, options);
		} finally {
			await session.close();
		}
	} finally {
		await closeAll(remotes);
		await connection.dispose();
	}
}

/** Converts directory problems to warnings if there is a pre-backup hook, which may mount or create the directory. */
function beforeHook(facts: PlanFacts): PlanFacts {
	const [problem] = facts.directories.values();
	if (!problem || facts.configuration.settings.preBackupHook.length === 0) return facts;
	const warning = `${problem.message}, unless the pre-backup hook changes that`;
	return {...facts, directories: new Map(), warnings: [...facts.warnings, warning]};
}

type Place = {readonly purge: PlacePurge | undefined; readonly errors: readonly PgBackError[]};

async function withPurge(
	run: StoreContext,
	facts: PlanFacts,
	remotes: readonly Remote[],
	{listRemote = true}: PlanOptions,
): Promise<BackupPlan> {
	const {settings} = run.configuration;
	const draft = planBackup(facts);
	if (draft.refused) return draft;
	const context = {run, facts, subjects: plannedSubjects(draft), coming: draft.outputs, nameMembers: true};
	const places: Place[] = [await planBackupDirectory(context)];
	const {purgeRemote} = settings;
	for (const remote of listRemote ? remotes : [])
		places.push(await (purgeRemote ? planRemoteLocation({...context, remote}) : checkUploadTarget(remote, run.signal)));
	const problems = [...facts.problems, ...places.flatMap(place => place.errors), ...(await postHookProblem(run))];
	const warnings = [...facts.warnings, ...(await lockReport(downloadBase(settings.backupDirectory), run.env))];
	return planBackup(
		{...facts, problems, warnings},
		places.flatMap(place => place.purge ?? []),
	);
}

/** Checks that a remote that is only uploaded to responds. A run needs no permission to list it. */
async function checkUploadTarget(
	remote: Remote,
	signal: AbortSignal,
): Promise<{purge: undefined; errors: readonly PgBackError[]}> {
	try {
		for await (const _ of remote.list(signal)) break;
	} catch (error) {
		signal.throwIfAborted();
		if (!(error instanceof StorageError && error.fault === 'forbidden'))
			return {purge: undefined, errors: [toPgBackError(error)]};
	}
	return {purge: undefined, errors: []};
}

async function postHookProblem({configuration, env}: Pick<RunContext, 'configuration' | 'env'>) {
	try {
		await checkHookCommand(configuration.settings.postBackupHook, env);
		return [];
	} catch (error) {
		return [toPgBackError(error)];
	}
}
