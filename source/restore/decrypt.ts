/** Decrypts local files into the same directory or to standard output. */
import {constants} from 'node:fs';
import {open} from 'node:fs/promises';
import {basename} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {lstatIfThere} from '../lib/files.js';
import {goodDumps} from '../repository/good-dumps.js';
import {localPlace} from '../repository/place.js';
import {nothingMatches, Selection, selectionOptions, unmatchedTask} from '../repository/selection.js';
import {parsePath} from '../retention/names.js';
import type {ConfiguredContext, JobsContext, RunContext, RunResult, SecretContext} from '../runs/context.js';
import {loadRunDecryption} from '../runs/identities.js';
import {resultOf} from '../runs/outcome.js';
import {runJobs} from '../runs/run-jobs.js';
import type {RunLocks} from '../runs/run-locks.js';
import type {Task} from '../runs/scheduler.js';
import {decryptStream} from '../stages/age/decrypt.js';
import type {DecryptionKeys} from '../stages/age/load-keys.js';
import {publishAll, writeArtifact} from '../stages/artifact.js';
import {counted} from '../stages/dump.js';
import {readHandle} from '../stages/hash.js';
import {contentsLast} from './contents-last.js';

export type DecryptOptions = {
	/**
	 * If present, the decrypted files are passed to it one after the other, instead of written. Bytes are passed as they
	 * are authenticated.
	 */
	readonly toStdout?: (chunk: Uint8Array) => Promise<void>;
};

export async function runDecrypt(run: SecretContext & JobsContext, options: DecryptOptions = {}): Promise<RunResult> {
	const keys = await loadRunDecryption(run);
	const {paths, unmatched, seen} = await encryptedFiles(run);
	const {jobs, backupDirectory} = run.configuration.settings;
	const [first] = unmatched;
	if (paths.length === 0 && first !== undefined) throw nothingMatches(first, backupDirectory, seen, 'encrypted file');
	if (paths.length === 0) {
		run.emit({type: 'log', level: 'warn', text: `no encrypted file found in ${backupDirectory}`});
		return resultOf([], run.signal);
	}
	const {toStdout} = options;
	const sizes = await sizesOf(paths);
	return runJobs(run, toStdout ? 1 : jobs, locks => [
		...(toStdout
			? paths.map(path => streamTask(path, keys, toStdout))
			: contentsLast(
					paths.map(path => ({path, task: decryptTask({run, locks, keys}, path, {bytes: sizes.get(path)})})),
				)),
		...unmatched.map(pattern =>
			unmatchedTask('decrypt', pattern, nothingMatches(pattern, backupDirectory, seen, 'encrypted file')),
		),
	]);
}

/**
 * Returns the .age files of the backup directory that match the patterns, including those in directory dumps. A pattern
 * that is the path of a file (as expanded by a shell) selects that file.
 */
async function encryptedFiles(run: ConfiguredContext) {
	const named: string[] = [];
	const patterns: string[] = [];
	for (const argument of run.configuration.arguments) {
		const stats = argument.endsWith('.age') ? await lstatIfThere(argument) : undefined;
		if (stats?.isFile()) named.push(argument);
		else patterns.push(argument);
	}
	if (named.length > 0 && patterns.length === 0) return {paths: named, unmatched: [], seen: 0};
	const place = localPlace(run);
	const selection = new Selection(patterns, selectionOptions(place, 'newest'));
	for await (const file of place.list(run.signal)) {
		const isOfRun = parsePath(file.path)?.subject.kind === 'run';
		if (isEncrypted(basename(file.path)) && !(patterns.length === 0 && isOfRun)) selection.add(file);
	}
	const isGood = selection.namesDatabases ? goodDumps(await place.manifests(run.signal)) : undefined;
	const {items, unmatched} = selection.result(isGood);
	const paths = items.flatMap(({path}) => place.localPath?.(path) ?? []);
	return {paths: [...new Set([...named, ...paths])], unmatched, seen: selection.seen};
}

function isEncrypted(name: string): boolean {
	return name.endsWith('.age') && !name.startsWith('.') && name !== '.age';
}

/** Returns the bytes of existing files; the job of a missing one reports it. */
export async function sizesOf(paths: readonly string[]): Promise<ReadonlyMap<string, number>> {
	const sizes = new Map<string, number>();
	for (const path of paths) {
		const found = await lstatIfThere(path).catch(() => undefined); // unreadable: reported by the job
		if (found) sizes.set(path, found.size);
	}
	return sizes;
}

/** Writes to the same directory unless another path is given. */
export function decryptTask(
	{
		run,
		locks,
		keys,
	}: {
		readonly run: Pick<RunContext, 'configuration' | 'emit' | 'tag'>;
		readonly locks: RunLocks;
		readonly keys: DecryptionKeys;
	},
	path: string,
	to: {readonly plainPath?: string; readonly force?: boolean; readonly bytes?: number} = {},
): Task {
	const plainPath = to.plainPath ?? path.slice(0, -'.age'.length);
	const {settings} = run.configuration;
	const force = to.force ?? settings.force;
	return {
		plan: {
			id: `decrypt:${path}`,
			kind: 'decrypt',
			name: path,
			stages: ['decrypt'],
			...(to.bytes !== undefined && {estimatedBytes: to.bytes}),
		},
		async run({id, signal, meter}) {
			if (!force && (await lstatIfThere(plainPath))) throw existsError(plainPath);
			await locks.directoryOf(plainPath);
			meter.start('decrypt');
			await withFile(path, async handle => {
				const cipher = counted(readHandle(handle, signal), bytes => meter.count('decrypt', bytes));
				const written = await writeArtifact(named(path, decryptStream(cipher, keys, signal)), {
					plainPath,
					role: 'other',
					settings: {run: run.tag, mode: settings.backupFileMode, extraAlgorithms: [], keepSource: false},
					signal,
				});
				await publishAll([written], id, run.emit, {replace: force});
			});
			meter.finish('decrypt');
		},
	};
}

function streamTask(path: string, keys: DecryptionKeys, write: NonNullable<DecryptOptions['toStdout']>): Task {
	return {
		plan: {id: `decrypt:${path}`, kind: 'decrypt', name: path, stages: ['decrypt']},
		async run({signal, meter}) {
			meter.start('decrypt');
			await withFile(path, async handle => {
				const cipher = counted(readHandle(handle, signal), bytes => meter.count('decrypt', bytes));
				for await (const chunk of named(path, decryptStream(cipher, keys, signal))) await write(chunk);
			});
			meter.finish('decrypt');
		},
	};
}

async function withFile(
	path: string,
	work: (handle: Awaited<ReturnType<typeof open>>) => Promise<void>,
): Promise<void> {
	const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
	try {
		await work(handle);
	} finally {
		await handle.close();
	}
}

/** Passes the bytes on; errors of decryption name the file. */
export async function* named(path: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	try {
		yield* source;
	} catch (error) {
		if (!(error instanceof PgBackError) || (error.code !== 'WRONG_KEY' && error.code !== 'CORRUPT')) throw error;
		throw new PgBackError(error.code, `could not decrypt ${display(basename(path))}: ${error.message}`, {
			cause: error,
			...(error.hint !== undefined && {hint: error.hint}),
		});
	}
}

export function existsError(path: string): PgBackError {
	return new PgBackError('EXISTS', `${display(path)} exists`, {hint: 'use --force to replace it'});
}
