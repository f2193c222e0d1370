/** Decrypts files that are here, beside themselves or to standard output. */
import {constants} from 'node:fs';
import {open} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {lstatIfThere} from '../lib/files.js';
import {parseFileName} from '../retention/names.js';
import {decryptStream} from '../stages/age/decrypt.js';
import type {DecryptionKeys} from '../stages/age/keys.js';
import {publishAll, writeArtifact} from '../stages/artifact.js';
import {counted} from '../stages/dump.js';
import {readHandle} from '../stages/hash.js';
import {backupDirectories, readDirectory} from './backup-directories.js';
import type {RunContext, RunResult} from './context.js';
import {loadRunDecryption} from './keys.js';
import type {RunLocks} from './locks.js';
import {resultOf} from './outcome.js';
import {runJobs} from './run-jobs.js';
import {selector} from './patterns.js';
import type {Task} from './scheduler.js';

export type DecryptOptions = {
	/** Decrypts one file after the other to it, instead of beside themselves. Bytes are given as they are authenticated. */
	readonly toStdout?: (chunk: Uint8Array) => Promise<void>;
};

export async function runDecrypt(run: RunContext, options: DecryptOptions = {}): Promise<RunResult> {
	const keys = await loadRunDecryption(run);
	const paths = await encryptedFiles(run);
	if (paths.length === 0) {
		run.emit({
			type: 'log',
			level: 'warn',
			text: 'no candidate file found for decryption. Maybe add a wildcard (*) to the patterns?',
		});
		return resultOf([], run.signal);
	}
	const {toStdout} = options;
	return runJobs(run, toStdout ? 1 : run.configuration.settings.jobs, locks =>
		paths.map(path => (toStdout ? streamTask(run, path, keys, toStdout) : decryptTask(run, locks, path, keys))),
	);
}

/**
 * The .age files of the backup directory that the patterns select, and those in directory dumps that they select. A pattern that
 * is itself the path of a file (as a shell expands it) selects that file.
 */
async function encryptedFiles(run: RunContext): Promise<string[]> {
	const {settings} = run.configuration;
	const named: string[] = [];
	const patterns: string[] = [];
	for (const argument of run.configuration.arguments) {
		const stats = argument.endsWith('.age') ? await lstatIfThere(argument) : undefined;
		if (stats?.isFile()) named.push(argument);
		else patterns.push(argument);
	}
	if (named.length > 0 && patterns.length === 0) return named;
	const matches = selector(patterns);
	const found: string[] = [];
	for (const directory of await backupDirectories(settings.backupDirectory)) {
		for (const entry of await readDirectory(directory)) {
			if (!matches(entry.name) || (patterns.length === 0 && parseFileName(entry.name)?.subject.kind === 'run'))
				continue;
			const path = join(directory, entry.name);
			if (entry.isDirectory()) found.push(...(await membersOf(run, path)));
			else if (entry.isFile() && isEncrypted(entry.name)) found.push(path);
		}
	}
	return [...new Set([...named, ...found])];
}

async function membersOf(run: RunContext, directory: string): Promise<string[]> {
	try {
		const entries = await readDirectory(directory);
		return entries.filter(entry => entry.isFile() && isEncrypted(entry.name)).map(entry => join(directory, entry.name));
	} catch (error) {
		run.emit({type: 'log', level: 'warn', text: `skipping ${directory}: ${messageOf(error)}`});
		return [];
	}
}

function isEncrypted(name: string): boolean {
	return name.endsWith('.age') && !name.startsWith('.') && name !== '.age';
}

/** Beside itself unless another path is given. */
export function decryptTask(
	run: RunContext,
	locks: RunLocks,
	path: string,
	keys: DecryptionKeys,
	to: {readonly plainPath?: string; readonly force?: boolean} = {},
): Task {
	const plainPath = to.plainPath ?? path.slice(0, -'.age'.length);
	const {settings} = run.configuration;
	const force = to.force ?? settings.force;
	return {
		plan: {id: `decrypt:${path}`, kind: 'decrypt', name: path, stages: ['decrypt']},
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

function streamTask(
	run: RunContext,
	path: string,
	keys: DecryptionKeys,
	write: NonNullable<DecryptOptions['toStdout']>,
): Task {
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

/** The same bytes; errors of decryption say of which file. */
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
	return new PgBackError('EXISTS', `${display(path)} exists`, {hint: 'give --force to replace it'});
}
