/** Writes the complete standard output of one child to one artifact. */
import {closeSync} from 'node:fs';
import {PgBackError} from '../core/errors.js';
import {dumpFailure} from '../postgres/dump-failure.js';
import {type Child, type ChildOptions, startChild} from '../process/child.js';
import {preparePipes, takePipe} from '../process/pipes.js';
import {
	algorithmsOf,
	type ArtifactOptions,
	discardAll,
	ownedArtifact,
	writeArtifact,
	type Written,
} from './artifact.js';
import {checkCompleteArchive} from './complete-archive.js';
import {prepareWorker} from './pipeline-thread.js';

export type DumpCommand = {
	readonly command: string;
	readonly args: readonly string[];
	readonly env: ChildOptions['env'];
	/** Descriptors that the child inherits: the locks. */
	readonly inherit: readonly number[];
	/** For messages: `pg_dump of orders`. */
	readonly what: string;
	readonly onLine: (line: string) => void;
	/** Called with the complete command line when the child is started. */
	readonly onStart: (words: readonly string[]) => void;
	/** Called when the child has exited successfully: the remaining work is the checksum and the final name. */
	readonly onEnd?: () => void;
	/**
	 * The program ignores write errors (pg_dumpall on a full disk), so its output is read through a pipe and written by
	 * pg_back.
	 */
	readonly ignoresWriteErrors?: true;
	/** Little output is expected: the main thread processes it, as starting a worker and its pipe would take longer. */
	readonly isSmall?: boolean;
};

/** Databases below this size, in bytes, are dumped on the main thread. Only speed depends on it. */
const smallDatabase = 64 << 20;

/** `size` is reported by the server, in bytes; undefined if it is not. */
export function isSmallDatabase(size: number | undefined): boolean {
	return size !== undefined && size < smallDatabase;
}

/** Prepares what large encrypted dumps need before their first byte, while something else is being awaited. */
export function prepareStreams(env: ChildOptions['env']): void {
	preparePipes(env);
	prepareWorker();
}

/**
 * Runs the command and saves its stdout. Without encryption the child writes the partial file itself, unless it ignores
 * write errors; with encryption, or without a local file, the bytes stream through pg_back, and no plaintext is written
 * to disk. When this returns or throws, the child has exited.
 */
export async function dumpToArtifact(command: DumpCommand, options: ArtifactOptions): Promise<Written> {
	const {meter} = options;
	meter?.start('dump');
	try {
		const {encryption, stream} = options.settings;
		const checked = {...options, isDump: true};
		const written = await (encryption || stream || command.ignoresWriteErrors
			? streamed(command, checked)
			: owned(command, checked));
		if (written.contents.every(content => content.plainSize === 0)) {
			await discardAll([written]);
			throw new PgBackError('DUMP_FAILED', `${command.what} exited successfully but produced no output`);
		}
		return written;
	} catch (error) {
		meter?.finish('dump', options.signal.aborted ? 'cancelled' : 'failed');
		throw error;
	}
}

/** Waits for pg_dump, and throws an error with the cause from its messages. */
export async function dumped(child: Child, what: string): Promise<void> {
	const result = await child.done;
	if (result.exitCode !== 0) throw dumpFailure(what, result);
}

function start(command: DumpCommand, stdout: 'pipe' | number, signal: AbortSignal) {
	command.onStart([command.command, ...command.args]);
	return startChild({...command, stdout, stderr: 'messages', signal, onLine: line => command.onLine(line)});
}

function owned(command: DumpCommand, options: ArtifactOptions): Promise<Written> {
	return ownedArtifact(
		async (descriptor, path) => {
			// Passes the name with `-f`, as 2.x does, for wrappers that look for it; other output on stdout goes to the same
			// file.
			const named = {...command, args: ['-f', path, ...command.args]};
			await dumped(start(named, descriptor, options.signal), command.what);
			// Otherwise it is checked while it is hashed.
			if (algorithmsOf(options.settings).length === 0) await checkArchive(path, command.what);
			options.meter?.finish('dump');
			command.onEnd?.();
		},
		{...options, confirm: problem => rejectIncomplete(command.what, problem)},
	);
}

/** Throws DUMP_FAILED when the child ended successfully although its archive is truncated, as far as its table of contents shows it. */
async function checkArchive(path: string, what: string): Promise<void> {
	try {
		await checkCompleteArchive(path);
	} catch (error) {
		if (!(error instanceof PgBackError)) throw error;
		if (error.code === 'TOOLS') return; // of a newer pg_dump, which may not need the check
		throw incomplete(what, error.message, error);
	}
}

async function rejectIncomplete(what: string, problem: string | undefined): Promise<void> {
	if (problem !== undefined) throw incomplete(what, problem);
}

export function incomplete(what: string, problem: string, cause?: unknown): PgBackError {
	return new PgBackError('DUMP_FAILED', `${what} exited successfully, but did not write all of it: ${problem}`, {
		...(cause !== undefined && {cause}),
		hint: 'the disk may be full, or a quota used up: free some space, or purge older dumps, and run again; if a wrapper runs pg_dump, check it',
	});
}

async function streamed(command: DumpCommand, options: ArtifactOptions): Promise<Written> {
	const inner = new AbortController();
	// A worker is only used for large encrypted dumps; otherwise little data takes this path.
	const {encryption, stream} = options.settings;
	const pipe = encryption && !stream && !command.isSmall ? await takePipe(command.env) : undefined;
	let child: Child;
	try {
		child = start(command, pipe?.writable ?? 'pipe', AbortSignal.any([options.signal, inner.signal]));
	} catch (error) {
		if (pipe) closeSync(pipe.readable);
		throw error;
	} finally {
		if (pipe) closeSync(pipe.writable); // the child has it: when the child exits, the pipe ends
	}
	const ended = dumped(child, command.what);
	const settled = ended.catch(() => undefined); // thrown by `confirm`, unless pg_back failed first
	try {
		return await writeArtifact(
			pipe ? {descriptor: pipe.readable} : ((child.stdout ?? []) as AsyncIterable<Uint8Array>),
			{
				...options,
				onBytes: bytes => options.meter?.count('dump', bytes),
				confirm: async problem => {
					// The job reports the first failure.
					await ended.catch((error: unknown) => {
						options.meter?.finish('dump', options.signal.aborted ? 'cancelled' : 'failed');
						throw error;
					});
					options.meter?.finish('dump');
					command.onEnd?.();
					await rejectIncomplete(command.what, problem);
				},
			},
		);
	} catch (error) {
		inner.abort(error);
		await settled;
		// Our own failure comes first: it breaks the pipe, which makes the child fail.
		throw error;
	} finally {
		if (pipe) closeSync(pipe.readable);
	}
}

export async function* counted(
	source: AsyncIterable<Uint8Array>,
	onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
	for await (const chunk of source) {
		onBytes(chunk.byteLength);
		yield chunk;
	}
}
