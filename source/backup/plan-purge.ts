/** Lists the places with dumps and plans their purge, before the run and again at its end. */
import {hostname} from 'node:os';
import {join, resolve} from 'node:path';
import type {Configuration} from '../config/configuration.js';
import type {DatabaseSettings} from '../config/options.js';
import type {PgBackError} from '../core/errors.js';
import type {ServerInfo} from '../core/events.js';
import {isMainRole} from '../core/main-file.js';
import {localManifests, localRecords, readRemoteManifests, remoteRecords} from '../repository/manifests.js';
import {localPinSource, pinReader, remotePinSource} from '../repository/pins.js';
import type {Remote} from '../repository/remote.js';
import {remoteKey} from '../repository/remote-keys.js';
import {parsePath, type Subject, subjectText} from '../retention/names.js';
import type {HiddenRun} from '../retention/ownership.js';
import type {RetentionPolicy} from '../retention/policy.js';
import {planLocalPurge, purgeError} from '../retention/purge.js';
import {manifestPaths, type PurgeSubject, type RunRecord} from '../retention/purge-plan.js';
import {planRemotePurge} from '../retention/purge-remote.js';
import {addressOf, type ServerIdentity} from '../retention/server-identity.js';
import type {ConfiguredContext} from '../runs/context.js';
import {whyKept} from './find-shrunk.js';
import {jobId} from './job-subjects.js';
import type {PlacePurge, PlannedOutput} from './plan.js';

/** Facts about the server for a purge; without a server they come from the manifests. */
export type PurgeFacts = {
	/** Milliseconds since the epoch. */
	readonly start: number;
	readonly inventory: readonly {readonly name: string}[];
	readonly server: ServerIdentity | Pick<ServerInfo, 'host' | 'port' | 'systemIdentifier'>;
};

export type PurgeContext = {
	readonly run: ConfiguredContext;
	readonly facts: PurgeFacts;
	/** Subjects with old dumps to purge. */
	readonly subjects: readonly Subject[];
	/** Databases that are not purged, because their last dump lost too much. */
	readonly shrunk?: ReadonlySet<string>;
	/** Before the run: the outputs that it will write. At its end empty. */
	readonly coming?: readonly PlannedOutput[];
	/** Paths and keys that the run has published. */
	readonly current?: ReadonlySet<string>;
	/** Lists every object of a directory dump at a remote. */
	readonly nameMembers?: boolean;
};

export type PlacePlanned = {
	readonly purge: PlacePurge;
	/** Places that could not be read; nothing is removed there. */
	readonly errors: readonly PgBackError[];
	readonly records: readonly RunRecord[];
};

export async function planBackupDirectory(context: PurgeContext): Promise<PlacePlanned> {
	const {run, coming} = context;
	const {backupDirectory} = run.configuration.settings;
	const records = localRecords(run.configuration, await localManifests(run));
	const {plan, errors} = await planLocalPurge({
		...purgeOptions(context, file => file.leaves !== true),
		records,
		readPin: pinReader(run, localPinSource(run.configuration)),
		directory: backupDirectory,
		mayBeMissing: coming !== undefined,
		runTag: run.tag,
		signal: run.signal,
	});
	return {purge: {place: 'backup', location: resolve(backupDirectory), plan}, errors, records};
}

export type RemoteContext = PurgeContext & {
	readonly remote: Remote;
	/** Manifests that are already known and are not downloaded again. */
	readonly records?: readonly RunRecord[];
	readonly ignores?: (key: string) => boolean;
};

export async function planRemoteLocation(context: RemoteContext): Promise<PlacePlanned> {
	const {run, remote, records: known = [], ignores, nameMembers} = context;
	const names = new Set(known.flatMap(manifestPaths));
	const skips = (key: string) => names.has(key) || ignores?.(key) === true;
	const place = {place: remote.store, location: remote.location};
	let records: readonly RunRecord[];
	let hiddenRuns: readonly HiddenRun[];
	try {
		const {found, hidden} = await readRemoteManifests(run, remote, run.signal, {skips});
		records = [...known, ...remoteRecords(remote, found)];
		hiddenRuns = hidden;
	} catch (error) {
		run.signal.throwIfAborted();
		const plan = {location: remote.storage.location, decisions: [], warnings: []};
		return {purge: {...place, plan}, errors: [purgeError(`could not purge ${remote.location}`, error)], records: known};
	}
	const {plan, errors} = await planRemotePurge({
		...purgeOptions(context, file => file.key !== undefined),
		records,
		readPin: pinReader(run, remotePinSource(run.configuration, remote)),
		storage: remote.storage,
		directoryOf: remoteDirectory(run.configuration),
		...(ignores && {ignores}),
		hiddenRuns,
		nameMembers: nameMembers === true,
		signal: run.signal,
	});
	return {purge: {...place, plan}, errors, records};
}

/**
 * Returns the directory of a subject's files at the remote: the upload prefix and the path relative to the backup
 * directory.
 */
export function remoteDirectory(configuration: Configuration): (subjectText: string) => string {
	const {backupDirectory, uploadPrefix} = configuration.settings;
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

/** Creates the options. `stays` returns whether a planned file will be at this place at the end. */
function purgeOptions(
	{run, facts, subjects, shrunk, coming = [], current}: PurgeContext,
	stays: (file: PlannedOutput['files'][number]) => boolean,
) {
	const {settings, forDatabase} = run.configuration;
	const global = policyOf(settings);
	const expected = new Set(
		coming.filter(({files}) => files.some(file => isMainRole(file.role) && stays(file))).map(jobId),
	);
	return {
		subjects: subjects.map((subject): PurgeSubject => {
			const name = subject.kind === 'database' ? subject.name : '';
			return {
				subject,
				policy: subject.kind === 'database' ? policyOf(forDatabase(name)) : global,
				coming: expected.has(jobId({kind: subject.kind, name})),
				...(subject.kind === 'database' && shrunk?.has(name) && {keptBecause: whyKept(name)}),
			};
		}),
		runPolicy: global,
		databases: facts.inventory.map(database => database.name),
		start: facts.start,
		now: run.now().getTime(),
		current: current ?? new Set<string>(),
		server: identityOf(facts.server),
	};
}

/** Identifies a server from a connection, or from a manifest. */
function identityOf(server: PurgeFacts['server']): ServerIdentity {
	if (!('host' in server)) return server;
	const {systemIdentifier, host, port} = server;
	return {systemIdentifier, address: addressOf(host, port, hostname())};
}

/** Returns a predicate for files of this run, which may already be at the remote while that is listed. */
export function ownNames(named: ReadonlySet<string>): (key: string) => boolean {
	return key => {
		const parsed = parsePath(key);
		return parsed !== undefined && named.has(`${subjectText(parsed.subject)}_${parsed.timeText}`);
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
