/** Builds the manifest of a run from its finished jobs. */
import {hostname} from 'node:os';
import type {Server} from '../postgres/catalog.js';
import type {Tools} from '../postgres/tools.js';
import {formatVersion} from '../postgres/versions.js';
import type {Manifest, ManifestFile, PlainFacts, PlannedRemovals, ShardFacts} from '../repository/manifest.js';
import {manifestPathOf} from '../repository/remote-keys.js';
import {planItems} from '../retention/purge-plan.js';
import type {ConfiguredContext, RunIdentity} from '../runs/context.js';
import type {Scheduler} from '../runs/scheduler.js';
import type {EncryptionKeys} from '../stages/age/load-keys.js';
import {shortRecipient} from '../stages/age/short-recipient.js';
import {type Content, type PendingFile, storedDigests, storedSha256} from '../stages/artifact.js';
import type {UploadOptions} from '../stages/upload.js';
import type {PlacePurge} from './plan.js';
import type {Published, PublishedJob} from './published-files.js';
import type {PlannedPurge} from './run-plan.js';

export type DescribedRun = DescribedFiles & {
	/** Milliseconds since the epoch. */
	readonly start: number;
	readonly server: Server;
	readonly tools: Tools;
	/** Exact names of the requested databases. */
	readonly databases: readonly string[];
	readonly scheduler: Scheduler;
	readonly published: Published;
	/** For each place that dumps are uploaded to. */
	readonly uploads: readonly UploadOptions[];
	/** What the purge at the end removes at most. */
	readonly purge: PlannedPurge;
	/** Present for one shard of a divided run. */
	readonly shard: ShardFacts | undefined;
};

export type DescribedFiles = {
	readonly run: ConfiguredContext & RunIdentity;
	readonly encryption: EncryptionKeys | undefined;
	/** With `verify = full`: returns whether this file was read completely. */
	readonly fullyRead: (file: PendingFile) => boolean;
};

export function describeRun(step: DescribedRun): Manifest {
	const {run, server, tools, scheduler} = step;
	const {settings} = run.configuration;
	const failed = scheduler
		.outcomes()
		.flatMap(({plan, error}) =>
			plan.kind === 'database' && error
				? [{database: plan.name, code: error.code, message: error.message, ...missingOf(step, plan.id)}]
				: [],
		);
	// The files of a shard are only at the remote: what was not uploaded does not exist.
	const jobs = step.published.jobs().filter(({shipments}) => !step.shard || shipments.length > 0);
	const incomplete = scheduler.outcomes().filter(one => one.outcome !== 'done');
	const missing = incomplete.map(({plan}) => missingOf(step, plan.id).missingAt);
	return {
		schema: 1,
		runId: run.runId,
		outcome: incomplete.length > 0 ? 'partial' : 'complete',
		start: new Date(step.start).toISOString(),
		end: run.now().toISOString(),
		host: hostname(),
		...(settings.serverName !== '' && {serverName: settings.serverName}),
		server: {
			version: server.version,
			...(server.systemIdentifier !== undefined && {systemIdentifier: server.systemIdentifier}),
			host: server.host,
			port: server.port,
			inRecovery: server.inRecovery,
			...(server.preloadLibraries.length > 0 && {preloadLibraries: server.preloadLibraries}),
			...(server.cronDatabase !== undefined && {cronDatabase: server.cronDatabase}),
		},
		version: run.version,
		tools: {
			pg_dump: formatVersion(tools.pgDump.version),
			...(tools.pgDumpall && {pg_dumpall: formatVersion(tools.pgDumpall.version)}),
		},
		options: {
			format: settings.format,
			compress_level: String(settings.compressLevel),
			checksum_algorithm: settings.checksumAlgorithm,
			encrypt: String(settings.encrypt),
			dump_only: String(settings.dumpOnly),
		},
		databases: step.databases,
		failed,
		...(incomplete.length > 0 &&
			!missing.includes(undefined) && {missingAt: [...new Set(missing.flatMap(one => one ?? []))]}),
		...(step.shard && {shard: step.shard}),
		files: [...jobs.flatMap(job => describeJob(step, job)), ...step.published.adopted()],
		purge: [step.purge.local, ...step.purge.far].map(({purge}) => describePurge(purge)),
	};
}

/** Returns the places that lack a job's files, if another one has them all. */
function missingOf({published, uploads}: DescribedRun, job: string): {readonly missingAt?: readonly string[]} {
	const locations = uploads.map(({storage}) => storage.location);
	const missingAt = locations.filter(location => !published.isAt(job, location));
	return missingAt.length < locations.length ? {missingAt} : {};
}

const longestRemovals = 10_000;

function describePurge({place, location, plan}: PlacePurge): PlannedRemovals {
	const remove: string[] = [];
	let more = 0;
	for (const {path, action} of planItems(plan)) {
		if (action === 'keep') continue;
		if (remove.length < longestRemovals) remove.push(path);
		else more++;
	}
	return {place, location, remove, ...(more > 0 && {more})};
}

/** Returns the manifest's entries for the files of one job. */
export function describeJob(step: DescribedFiles, job: PublishedJob): ManifestFile[] {
	const {run, encryption} = step;
	return job.files.map(file => ({
		path: manifestPathOf(run.configuration.settings.backupDirectory, file.finalPath),
		role: file.role,
		...(job.subject.kind === 'database' && {database: job.subject.name}),
		time: new Date(job.time).toISOString(),
		size: file.size,
		...(file.directory ? directoryFacts(file) : singleFacts(file)),
		...(job.format !== undefined && file.role === 'dump' && {format: job.format}),
		...(file.encrypted &&
			encryption && {
				encryption: {
					recipients: encryption.recipients.length,
					kind: encryption.passphrase ? 'passphrase' : 'public key',
					...(encryption.recipients.length > 0 && {to: encryption.recipients.map(shortRecipient)}),
				},
			}),
		verified: verifiedAs(run.configuration.settings.verify, file, step),
		shipped: job.shipments
			.filter(shipment => shipment.path === file.finalPath)
			.map(({location, key, checked}) => ({location, key, checked})),
		plain: {...plainFacts(file), ...(file.role === 'dump' && databaseFacts(job))},
	}));
}

function databaseFacts({databaseSize, contents}: PublishedJob): PlainFacts {
	return {...(databaseSize !== undefined && {databaseSize}), ...contents};
}

function verifiedAs(
	verify: 'none' | 'hash' | 'full',
	file: PendingFile,
	{fullyRead}: DescribedFiles,
): 'none' | 'hash' | 'full' {
	if (verify !== 'full') return verify;
	return fullyRead(file) ? 'full' : 'hash';
}

function singleFacts(file: PendingFile): {readonly sha256?: string} {
	const sha256 = storedSha256(file);
	return sha256 === undefined ? {} : {sha256};
}

function directoryFacts(file: PendingFile) {
	const members = file.contents.map(content => ({
		path: file.encrypted ? `${memberPath(content)}.age` : memberPath(content),
		size: content.cipherSize ?? content.plainSize,
		sha256: storedDigests(content, file.encrypted)?.sha256,
	}));
	return {directory: true, members} as const;
}

function plainFacts(file: PendingFile): PlainFacts {
	const size = file.contents.reduce((sum, content) => sum + content.plainSize, 0);
	if (!file.directory) return {size, sha256: file.contents[0]?.plainDigests.sha256};
	const members = file.contents.map(content => ({
		path: memberPath(content),
		size: content.plainSize,
		sha256: content.plainDigests.sha256,
		...(content.rows !== undefined && {rows: content.rows}),
	}));
	return {size, members};
}

function memberPath(content: Content): string {
	return content.name.slice(content.name.indexOf('/') + 1);
}
