/**
 * Downloads files: to partial names, verified, never over an existing file unless requested, never outside the target.
 */
import {constants} from 'node:fs';
import {open} from 'node:fs/promises';
import {basename} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {lstatIfThere} from '../lib/files.js';
import {isHidden} from '../lib/hidden.js';
import {isChecksumFile} from '../repository/checksum-files.js';
import {goodDumps} from '../repository/good-dumps.js';
import {remoteEntries} from '../repository/manifests.js';
import {remotePlace} from '../repository/place.js';
import {missingMember, RecordedChecksums} from '../repository/recorded-checksums.js';
import {openRemote, type Remote, type Store} from '../repository/remote.js';
import {downloadBase} from '../repository/remote-keys.js';
import {type Candidate, nothingMatches, Selection, selectionOptions, unmatchedTask} from '../repository/selection.js';
import {targetPath} from '../repository/target-path.js';
import {parsePath} from '../retention/names.js';
import type {ConfiguredContext, JobsContext, RunResult, SecretContext} from '../runs/context.js';
import {loadRunDecryption} from '../runs/identities.js';
import {runJobs} from '../runs/run-jobs.js';
import type {RunLocks} from '../runs/run-locks.js';
import type {Task} from '../runs/scheduler.js';
import type {DecryptionKeys} from '../stages/age/load-keys.js';
import {discardAll, publishAll} from '../stages/artifact.js';
import {readHandle} from '../stages/hash.js';
import {dumpKind, readDump, type VerifyTools} from '../stages/read-dump.js';
import {receive, type Received} from '../stages/receive.js';
import type {StorageObject} from '../storage/storage.js';
import {contentsLast, type FileTask} from './contents-last.js';
import {existsError, named} from './decrypt.js';
import {downloadResumably} from './resume-download.js';

export async function runDownload(run: SecretContext & JobsContext, store: Store): Promise<RunResult> {
	const {settings, arguments: patterns} = run.configuration;
	if (patterns.length === 0) {
		throw new PgBackError('USAGE', 'no filter given to download files, use globs as command line arguments', {
			hint: `pg_back --list-remote ${store} lists the files; use '*' to download all`,
		});
	}
	const keys = settings.decrypt ? await loadRunDecryption(run) : undefined;
	const remote = await openRemote(run, store);
	try {
		const {prefix} = remote;
		const place = remotePlace(run, remote);
		const selection = new Selection<Found>(patterns, selectionOptions(place, 'newest'));
		const folders = new Selection(patterns, selectionOptions(place, 'all'));
		const checksums = new Set<string>();
		for await (const object of remote.list(run.signal)) {
			const path = object.key.slice(prefix.length);
			if (object.directory) {
				if (folders.add({path, size: 0}) && parsePath(path) === undefined)
					run.emit({type: 'log', level: 'warn', text: `${object.key} is a directory: append /* to download its files`});
				continue;
			}
			if (isChecksumFile(object.key) && !isHidden(path)) checksums.add(object.key);
			if (!selection.add({path, size: object.size, object}))
				run.emit({type: 'log', level: 'debug', text: `skipping: ${object.key}`});
		}
		const isGood = selection.namesDatabases ? goodDumps(await place.manifests(run.signal)) : undefined;
		const {items, unmatched} = selection.result(isGood);
		const found = items.map(({object}) => object);
		const [first] = unmatched;
		if (found.length === 0 && first !== undefined) throw nothingMatches(first, remote.location, selection.seen);
		const target = downloadBase(settings.backupDirectory);
		const wanted = new Selection(patterns, {...selectionOptions(place, 'all'), keep: false});
		return await downloadObjects({run, remote, target, keys, checksums, force: settings.force}, found, {
			others: unmatched.map(pattern =>
				unmatchedTask('download', pattern, nothingMatches(pattern, remote.location, selection.seen)),
			),
			isWanted: key => wanted.add({path: key.slice(prefix.length), size: 0}),
		});
	} finally {
		await remote.close();
	}
}

const discarded = 'the downloaded file was discarded; try again, or download another run';

type Found = Candidate & {readonly object: StorageObject};

/**
 * Each object is a job; `others` are run at the same time. `isWanted`: whether a missing member of one of the directory
 * dumps was requested. The caller closes the remote.
 */
export async function downloadObjects(
	shared: Omit<DownloadShared, 'locks' | 'recorded'>,
	objects: readonly StorageObject[],
	{others = [], isWanted}: {readonly others?: readonly Task[]; readonly isWanted: (key: string) => boolean},
): Promise<RunResult> {
	const {run, remote, checksums} = shared;
	const {signal} = run;
	const keys = objects.map(({key}) => key);
	const recorded = new RecordedChecksums({
		known: await remoteEntries(run, remote, keys, signal),
		checksums,
		read: (key, aborted) => remote.storage.get(key, {signal: aborted}),
		hint: discarded,
	});
	const missing = await missingMembers(recorded, keys, isWanted, signal);
	return runJobs(run, run.configuration.settings.uploadJobs, locks => [
		...contentsLast([
			...missing,
			...objects.map(object => ({path: object.key, task: downloadTask({...shared, recorded, locks}, object)})),
		]),
		...others,
	]);
}

/** Returns jobs that fail: one for each directory dump that has lost a requested member. */
async function missingMembers(
	recorded: RecordedChecksums,
	keys: readonly string[],
	isWanted: (key: string) => boolean,
	signal: AbortSignal,
): Promise<readonly FileTask[]> {
	const dumps = Map.groupBy(keys, key => {
		const member = parsePath(key)?.member;
		return member === undefined ? '' : key.slice(0, -member.length - 1);
	});
	dumps.delete('');
	const tasks: FileTask[] = [];
	for (const [dump, members] of dumps) {
		const there = new Set(members.map(key => key.slice(dump.length + 1)));
		const missing = await recorded.missingMembers(dump, there, signal);
		const lost = missing.find(name => isWanted(`${dump}/${name}`));
		if (lost !== undefined) {
			const path = `${dump}/${lost}`;
			tasks.push({path, task: missingTask(path, missingMember(dump, lost))});
		}
	}
	return tasks;
}

function missingTask(key: string, problem: PgBackError): Task {
	return {
		plan: {id: `download:${key}`, kind: 'download', name: key, stages: ['download']},
		run: () => Promise.reject(problem),
	};
}

type DownloadShared = {
	readonly run: ConfiguredContext & JobsContext;
	readonly remote: Remote;
	readonly locks: RunLocks;
	/** A local directory. */
	readonly target: string;
	/** If present, .age files are decrypted too, in the same pass. */
	readonly keys: DecryptionKeys | undefined;
	/** The keys of checksum files at the remote. */
	readonly checksums: ReadonlySet<string>;
	/** By key. */
	readonly recorded: RecordedChecksums;
	readonly force: boolean;
	/** If present, readable dumps (decrypted, or never encrypted) are read to their end before they get their names. */
	readonly readBack?: VerifyTools;
};

function downloadTask(shared: DownloadShared, object: StorageObject): Task {
	const {run, keys, force} = shared;
	const mode = run.configuration.settings.backupFileMode;
	const {key, size} = object;
	const decrypts = keys !== undefined && key.endsWith('.age');
	return {
		plan: {
			id: `download:${key}`,
			kind: 'download',
			name: key,
			stages: decrypts ? ['download', 'decrypt', 'verify'] : ['download', 'verify'],
			estimatedBytes: size,
		},
		async run({id, signal, meter}) {
			const path = await targetPath(shared.target, key, shared.remote.prefix);
			const plainPath = path.slice(0, -'.age'.length);
			for (const one of decrypts ? [path, plainPath] : [path]) {
				if (!force && (await lstatIfThere(one))) throw existsError(one);
			}
			await shared.locks.directoryOf(path);
			meter.start('download');
			const resumable = {...shared, path, signal, meter};
			await downloadResumably(resumable, object, async ({object: current, partial, source}) => {
				const received = await receive(decrypts ? named(path, source) : source, {
					path,
					...(decrypts && {decrypted: {path: plainPath, keys}}),
					partial,
					run: run.tag,
					mode,
					algorithms: shared.recorded.algorithms(key),
					signal,
					meter,
				}).catch((error: unknown) => {
					throw decrypts ? describeDecryption(path, error) : error;
				});
				try {
					meter.finish('download');
					meter.start('verify');
					const how = [
						decrypts ? 'decrypted' : '',
						await verify(shared, current, received, signal),
						await readBack(shared, key, received, signal),
					]
						.filter(Boolean)
						.join(', ');
					meter.count('verify', received.size);
					meter.finish('verify');
					await partial?.complete();
					await publishAll([received], id, run.emit, {replace: force});
					run.emit({type: 'job.result', job: id, result: 'fetched', detail: how});
				} catch (error) {
					await discardAll([{files: received.files.filter(file => file.partial !== partial?.path)}]);
					throw error;
				}
			});
		},
	};
}

async function readBack(
	{readBack: tools}: DownloadShared,
	key: string,
	received: Received,
	signal: AbortSignal,
): Promise<string> {
	const file = received.files.find(one => !one.encrypted);
	const suffix = parsePath(key)?.suffix;
	if (!tools || !file || suffix === undefined || suffix === 'd') return '';
	const handle = await open(file.partial, constants.O_RDONLY | constants.O_NOFOLLOW);
	try {
		return await readDump(readHandle(handle, signal), dumpKind(suffix), {...tools, signal});
	} finally {
		await handle.close();
	}
}

function describeDecryption(path: string, error: unknown): unknown {
	if (!(error instanceof PgBackError) || (error.code !== 'WRONG_KEY' && error.code !== 'CORRUPT')) return error;
	return new PgBackError(error.code, `could not decrypt ${display(basename(path))}: ${error.message}`, {
		cause: error,
		...(error.hint !== undefined && {hint: error.hint}),
	});
}

/**
 * Compares the download with everything that the remote has about it. Throws CORRUPT; returns what was compared, for
 * people.
 */
async function verify(
	shared: DownloadShared,
	object: StorageObject,
	received: Received,
	signal: AbortSignal,
): Promise<string> {
	const {remote} = shared;
	const {key, size} = object;
	if (received.size !== size) {
		throw new PgBackError('CORRUPT', `${display(key)} was received with ${received.size} bytes instead of ${size}`, {
			hint: 'try again: the transfer was interrupted, or the object was replaced during it',
		});
	}
	const checked: string[] = ['size'];
	const stored = (await remote.storage.stat(key, {signal}))?.metadata['sha256'];
	if (stored !== undefined) {
		if (received.digests.sha256 !== stored.toLowerCase()) throw differsFromMetadata(key);
		checked.push('sha256 of its metadata');
	}
	checked.push(...(await shared.recorded.compareAll(key, received, signal)));
	return `${checked.join(', ')} verified${checked.length === 1 ? ' (no checksum recorded)' : ''}`;
}

function differsFromMetadata(key: string): PgBackError {
	return new PgBackError('CORRUPT', `${display(key)} is damaged: its sha256 does not match its metadata`, {
		hint: discarded,
	});
}
