/** Writes the run's manifest, when everything that it names is durable: locally, and at the remote. */
import {hostname} from 'node:os';
import {relative} from 'node:path';
import {isSystemError} from '../core/errors.js';
import type {Server} from '../postgres/catalog.js';
import type {Tools} from '../postgres/tools.js';
import {formatVersion} from '../postgres/versions.js';
import {fileName, type Subject} from '../retention/names.js';
import type {EncryptionKeys} from '../stages/age/keys.js';
import {
	discardAll,
	publishAll,
	writeArtifact,
	type Content,
	type PendingFile,
	type Written,
} from '../stages/artifact.js';
import {JobMeter} from '../stages/meter.js';
import {JobUploads, type UploadOptions} from '../stages/upload.js';
import type {RunContext} from './context.js';
import {printManifest, splitManifest, type Manifest, type ManifestFile, type PlainFacts} from './manifest.js';
import type {RunLocks} from './locks.js';
import type {Published, PublishedJob} from './published.js';
import type {Scheduler} from './scheduler.js';
import {once} from '../lib/once.js';

export type ManifestStep = {
	readonly run: RunContext;
	/** Milliseconds since the epoch. */
	readonly start: number;
	readonly server: Server;
	readonly tools: Tools;
	readonly locks: RunLocks;
	readonly encryption: EncryptionKeys | undefined;
	readonly uploads: UploadOptions | undefined;
	/** Exact names of the databases that were asked for. */
	readonly databases: readonly string[];
	readonly scheduler: Scheduler;
	/** With `verify = full`: whether that could be done for this file. */
	readonly fullyRead: (file: PendingFile) => boolean;
	readonly published: Published;
};

/** Adds what it wrote to `published`. Throws when the manifest could not be written or shipped: the run is then not proven. */
export async function writeManifest(step: ManifestStep): Promise<void> {
	const {run, published} = step;
	if (published.jobs().length === 0) return;
	const {manifest, companion} = splitManifest(describeRun(step));
	const subject: Subject = {kind: 'run'};
	const {backupDirectory, backupFileMode, timestampFormat} = run.configuration.settings;
	const pathAt = (time: number, suffix: 'manifest.json' | 'private.json.age') =>
		fileName({directory: backupDirectory, subject, time: new Date(time), timestampFormat, suffix});
	const settings = {run: run.tag, mode: backupFileMode, extraAlgorithms: ['sha256'], keepSource: false} as const;
	const uploads =
		step.uploads && new JobUploads(step.uploads, 'manifest', new JobMeter('manifest', run.emit), run.signal);
	const common = {role: 'manifest', signal: run.signal} as const;
	const writeAt = async (time: number): Promise<readonly PendingFile[]> => {
		const written: Written[] = [];
		try {
			if (companion && step.encryption) {
				const plainPath = pathAt(time, 'private.json.age').slice(0, -'.age'.length);
				written.push(
					await writeArtifact(once(Buffer.from(printManifest(companion))), {
						...common,
						plainPath,
						settings: {...settings, encryption: step.encryption},
					}),
				);
			}
			written.push(
				await writeArtifact(once(Buffer.from(printManifest(manifest))), {
					...common,
					plainPath: pathAt(time, 'manifest.json'),
					settings,
				}),
			);
		} catch (error) {
			await discardAll(written);
			throw error;
		}
		return uploads ? uploads.publish(written) : publishAll(written, 'manifest', run.emit);
	};
	await step.locks.directoryOf(pathAt(step.start, 'manifest.json'));
	const files = await inFreeSecond(step.start, writeAt);
	published.add({job: 'manifest', subject, files, shipments: (await uploads?.ship(files)) ?? [], time: step.start});
}

/** Another run may have begun in the same second: the name tells when, the content which. */
async function inFreeSecond<T>(start: number, write: (time: number) => Promise<T>): Promise<T> {
	for (let time = start; ; time += 1000) {
		try {
			return await write(time);
		} catch (error) {
			if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
		}
	}
}

function describeRun(step: ManifestStep): Manifest {
	const {run, server, tools, scheduler} = step;
	const {settings} = run.configuration;
	const failed = scheduler
		.outcomes()
		.flatMap(({plan, error}) =>
			plan.kind === 'database' && error ? [{database: plan.name, code: error.code, message: error.message}] : [],
		);
	const incomplete = scheduler.outcomes().some(one => one.outcome !== 'done');
	return {
		schema: 1,
		runId: run.runId,
		outcome: incomplete ? 'partial' : 'complete',
		start: new Date(step.start).toISOString(),
		end: run.now().toISOString(),
		host: hostname(),
		server: {
			version: server.version,
			...(server.systemIdentifier !== undefined && {systemIdentifier: server.systemIdentifier}),
			host: server.host,
			port: server.port,
			inRecovery: server.inRecovery,
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
		files: step.published.jobs().flatMap(job => describeJob(step, job)),
	};
}

function describeJob(step: ManifestStep, job: PublishedJob): ManifestFile[] {
	const {run, encryption} = step;
	return job.files.map(file => ({
		path: relative(run.configuration.settings.backupDirectory, file.finalPath).replace(/^(\.\.\/)+/, ''),
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
				},
			}),
		verified: verifiedAs(run.configuration.settings.verify, file, step),
		shipped: job.shipments
			.filter(shipment => shipment.path === file.finalPath)
			.map(({location, key, result}) => ({location, key, checked: result.checked})),
		plain: {...plainFacts(file), ...(file.role === 'dump' && job.contents)},
	}));
}

function verifiedAs(
	verify: 'none' | 'hash' | 'full',
	file: PendingFile,
	{fullyRead}: ManifestStep,
): 'none' | 'hash' | 'full' {
	if (verify !== 'full') return verify;
	return fullyRead(file) ? 'full' : 'hash';
}

function singleFacts(file: PendingFile): {readonly sha256?: string} {
	const content = file.contents[0];
	const digests = file.encrypted ? content?.cipherDigests : content?.plainDigests;
	return digests?.sha256 === undefined ? {} : {sha256: digests.sha256};
}

function directoryFacts(file: PendingFile) {
	const members = file.contents.map(content => ({
		path: file.encrypted ? `${memberPath(content)}.age` : memberPath(content),
		size: content.cipherSize ?? content.plainSize,
		sha256: (file.encrypted ? content.cipherDigests : content.plainDigests)?.sha256,
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
	}));
	return {size, members};
}

function memberPath(content: Content): string {
	return content.name.slice(content.name.indexOf('/') + 1);
}
