import {join} from 'node:path';
import type {PgBackError} from '../core/errors.js';
import type {DatabaseSettings} from '../config/options.js';
import type {Database, Server} from '../postgres/catalog.js';
import type {Subject} from '../retention/names.js';
import type {RetentionPolicy} from '../retention/policy.js';
import {purgeLocal} from '../retention/purge.js';
import {purgeRemote} from '../retention/purge-remote.js';
import type {PurgeSubject} from '../retention/purge-plan.js';
import type {RunContext} from './context.js';
import {localManifests, localRecords, remoteManifests, remoteRecords} from './manifests.js';
import type {Published} from './published.js';
import {remoteKey, type Remote} from './remote.js';

export type PurgeStep = {
	readonly run: RunContext;
	readonly start: number;
	readonly published: Published;
	/** All databases of the server. */
	readonly inventory: readonly Database[];
	readonly server: Server;
	readonly remote: Remote | undefined;
	/** What was dumped well in this run: only of that are old dumps purged. */
	readonly subjects: readonly Subject[];
};

/** Purges what the policy lets go. All is tried; says and returns what could not be done. */
export async function purgeAfterBackup(step: PurgeStep): Promise<readonly PgBackError[]> {
	const failures = await purgeAll(step);
	for (const {message} of failures) step.run.emit({type: 'log', level: 'error', text: message});
	return failures;
}

async function purgeAll(step: PurgeStep): Promise<readonly PgBackError[]> {
	const {run} = step;
	run.emit({type: 'run.phase', phase: 'purging', text: 'purging old dumps'});
	const options = purgeOptions(step);
	const local = await purgeLocal({
		...options,
		records: localRecords(run, await localManifests(run)),
		current: step.published.paths(),
		directory: run.configuration.settings.backupDirectory,
		signal: run.signal,
		emit: run.emit,
	});
	const {remote} = step;
	if (!remote || !run.configuration.settings.purgeRemote) return local;
	const far = await purgeRemote({
		...options,
		records: remoteRecords(remote, await remoteManifests(run, remote, run.signal)),
		current: step.published.keys(),
		storage: remote.storage,
		directoryOf: remoteDirectory(run),
		signal: run.signal,
		emit: run.emit,
	});
	return [...local, ...far];
}

/** Where the files of a subject are at the remote: the upload prefix and the way from the backup directory. */
export function remoteDirectory(run: RunContext): (subjectText: string) => string {
	const {backupDirectory, uploadPrefix} = run.configuration.settings;
	return text => {
		const directory = remoteKey(
			backupDirectory,
			uploadPrefix,
			join(
				backupDirectory.replaceAll('{dbname}', () => text),
				'.',
			),
		);
		return directory === '' || directory === '.' ? '' : `${directory.replace(/\/$/, '')}/`;
	};
}

export function purgeOptions(step: Omit<PurgeStep, 'published' | 'remote'>) {
	const {settings, forDatabase} = step.run.configuration;
	const global = policyOf(settings);
	const subjects: PurgeSubject[] = step.subjects.map(subject => ({
		subject,
		policy: subject.kind === 'database' ? policyOf(forDatabase(subject.name)) : global,
	}));
	return {
		subjects,
		runPolicy: global,
		databases: step.inventory.map(database => database.name),
		start: step.start,
		...(step.server.systemIdentifier !== undefined && {systemIdentifier: step.server.systemIdentifier}),
	};
}

type PolicySettings = Pick<
	DatabaseSettings,
	'purgeOlderThan' | 'purgeMinKeep' | 'keepDaily' | 'keepWeekly' | 'keepMonthly' | 'keepYearly'
>;

function policyOf(settings: PolicySettings): RetentionPolicy {
	const {purgeOlderThan, purgeMinKeep, keepDaily, keepWeekly, keepMonthly, keepYearly} = settings;
	return {olderThan: purgeOlderThan, minKeep: purgeMinKeep, keepDaily, keepWeekly, keepMonthly, keepYearly};
}
