/** Brings files back: to partial names, verified, never over an existing file unless asked, never outside the target. */
import {checksumAlgorithms, type ChecksumAlgorithm} from '../core/formats.js';
import {basename, join, resolve} from 'node:path';
import {constants} from 'node:fs';
import {lstat, open} from 'node:fs/promises';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {lstatIfThere} from '../lib/files.js';
import {parsePath} from '../retention/names.js';
import type {DecryptionKeys} from '../stages/age/keys.js';
import {discardAll, publishAll} from '../stages/artifact.js';
import {counted} from '../stages/dump.js';
import {readHandle} from '../stages/hash.js';
import {receive, type Received} from '../stages/receive.js';
import {dumpKind, readDump, type VerifyTools} from '../stages/verify.js';
import {keyProblem} from '../storage/keys.js';
import type {StorageObject} from '../storage/storage.js';
import {algorithmsFor, ChecksumLists, isChecksumFile} from './checksum-files.js';
import type {RunContext, RunResult} from './context.js';
import {existsError, named} from './decrypt.js';
import {runJobs} from './run-jobs.js';
import {loadRunDecryption} from './keys.js';
import {resultOf} from './outcome.js';
import {selector} from './patterns.js';
import {downloadBase, openRemote, type Remote, type Store} from './remote.js';
import type {Task} from './scheduler.js';
import type {RunLocks} from './locks.js';

export async function runDownload(run: RunContext, store: Store): Promise<RunResult> {
	const {settings, arguments: patterns} = run.configuration;
	if (patterns.length === 0) {
		throw new PgBackError('USAGE', 'no filter given to download files, use globs as command line arguments', {
			hint: `pg_back --list-remote ${store} shows what is there; '*' fetches all`,
		});
	}
	const matches = selector(patterns);
	const keys = settings.decrypt ? await loadRunDecryption(run) : undefined;
	const remote = await openRemote(run, store);
	try {
		const found: StorageObject[] = [];
		const checksums = new Set<string>();
		const select = selector(patterns, remote.prefix);
		for await (const object of remote.list(run.signal)) {
			if (isChecksumFile(object.key)) checksums.add(object.key);
			if (!select(object.key) && !matches(object.key))
				run.emit({type: 'log', level: 'debug', text: `skipping: ${object.key}`});
			else if (object.directory) {
				run.emit({type: 'log', level: 'warn', text: `${object.key} is a directory: append /* to fetch what is in it`});
			} else found.push(object);
		}
		if (found.length === 0) {
			run.emit({type: 'log', level: 'warn', text: `nothing at ${remote.location} matches`});
			return resultOf([], run.signal);
		}
		const target = downloadBase(settings.backupDirectory);
		return await downloadObjects({run, remote, target, keys, checksums, force: settings.force}, found);
	} finally {
		await remote.close();
	}
}

/** Each object is a job. The caller closes the remote. */
export function downloadObjects(
	shared: Omit<DownloadShared, 'locks' | 'lists'>,
	objects: readonly StorageObject[],
): Promise<RunResult> {
	const {run, remote, checksums} = shared;
	const lists = new ChecksumLists(checksums, (key, signal) => remote.storage.get(key, {signal}));
	return runJobs(run, run.configuration.settings.uploadJobs, locks =>
		objects.map(object => downloadTask({...shared, lists, locks}, object)),
	);
}

type DownloadShared = {
	readonly run: RunContext;
	readonly remote: Remote;
	readonly locks: RunLocks;
	/** A local directory. */
	readonly target: string;
	/** Given: .age files are decrypted as well, in the same pass. */
	readonly keys: DecryptionKeys | undefined;
	/** The keys of checksum files at the remote. */
	readonly checksums: ReadonlySet<string>;
	/** Those that were read: one may list all members of a directory dump. */
	readonly lists: ChecksumLists;
	readonly force: boolean;
	/** Given: dumps that can be read (decrypted, or never encrypted) are read to their end before they get their names. */
	readonly readBack?: VerifyTools;
};

function downloadTask(shared: DownloadShared, object: StorageObject): Task {
	const {run, remote, keys, force} = shared;
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
			const path = await targetPath(shared.target, key);
			const plainPath = path.slice(0, -'.age'.length);
			for (const one of decrypts ? [path, plainPath] : [path]) {
				if (!force && (await lstatIfThere(one))) throw existsError(one);
			}
			await shared.locks.directoryOf(path);
			meter.start('download');
			const source = counted(remote.storage.get(key, {signal}), bytes => meter.count('download', bytes));
			const received = await receive(decrypts ? named(path, source) : source, {
				path,
				...(decrypts && {decrypted: {path: plainPath, keys}}),
				run: run.tag,
				mode: run.configuration.settings.backupFileMode,
				algorithms: algorithmsFor(shared.checksums, key),
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
					await verify(shared, object, received, signal),
					await readBack(shared, key, received, signal),
				]
					.filter(Boolean)
					.join(', ');
				meter.count('verify', received.size);
				meter.finish('verify');
				await publishAll([received], id, run.emit, {replace: force});
				run.emit({type: 'job.result', job: id, result: 'fetched', detail: how});
			} catch (error) {
				await discardAll([received]);
				throw error;
			}
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

/** Where a key may be written. Throws STORAGE for a key that would leave the directory, by its text or through a link. */
export async function targetPath(directory: string, key: string): Promise<string> {
	const problem =
		keyProblem(key) ?? (/[\u0000-\u001F\u007F]/.test(key) ? 'the key holds control characters' : undefined);
	if (problem !== undefined) throw new PgBackError('STORAGE', `refused to download ${display(key)}: ${problem}`);
	const path = join(directory, key);
	let parent = resolve(directory);
	for (const segment of key.split('/').slice(0, -1)) {
		parent = join(parent, segment);
		const stats = await lstatIfThere(parent);
		if (stats === undefined) break;
		if (!(await lstat(parent)).isDirectory()) {
			throw new PgBackError('STORAGE', `refused to download ${display(key)}: ${display(parent)} is not a directory`);
		}
	}
	return path;
}

/** Compares what came with all that the remote knows of it. Throws CORRUPT; says for people what was compared. */
async function verify(
	shared: DownloadShared,
	object: StorageObject,
	received: Received,
	signal: AbortSignal,
): Promise<string> {
	const {remote} = shared;
	const {key, size} = object;
	if (received.size !== size) {
		throw new PgBackError('CORRUPT', `${display(key)} came with ${received.size} bytes instead of ${size}`, {
			hint: 'try again: the transfer was cut, or the object was replaced meanwhile',
		});
	}
	const told: string[] = ['size'];
	const stored = (await remote.storage.stat(key, {signal}))?.metadata['sha256'];
	if (stored !== undefined) {
		compare(key, 'sha256', received.digests.sha256, stored, 'its metadata');
		told.push('sha256 of its metadata');
	}
	for (const algorithm of checksumAlgorithms) {
		const [listed] = await shared.lists.digestsOf(key, algorithm, signal);
		if (listed === undefined) continue;
		compare(key, algorithm, received.digests[algorithm], listed.digest, listed.file);
		told.push(`${algorithm} of ${basename(listed.file)}`);
	}
	return `${told.join(', ')} verified`;
}

function compare(
	key: string,
	algorithm: ChecksumAlgorithm,
	actual: string | undefined,
	expected: string,
	where: string,
): void {
	if (actual === expected.toLowerCase()) return;
	throw new PgBackError('CORRUPT', `${display(key)} is damaged: its ${algorithm} is not that of ${display(where)}`, {
		hint: 'what was fetched was thrown away; try again, or fetch another run',
	});
}
