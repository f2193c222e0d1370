/** One child's standard output, whole or not at all, into one artifact. */
import {closeSync} from 'node:fs';
import {PgBackError} from '../core/errors.js';
import {dumpFailure} from '../postgres/dump-failure.js';
import {startChild, type Child, type ChildOptions} from '../process/child.js';
import {preparePipes, takePipe} from '../process/pipes.js';
import {discardAll, ownedArtifact, writeArtifact, type ArtifactOptions, type Written} from './artifact.js';
import {prepareThread} from './pass-thread.js';

export type DumpCommand = {
	readonly command: string;
	readonly args: readonly string[];
	readonly env: ChildOptions['env'];
	/** Descriptors to inherit: the locks. */
	readonly inherit: readonly number[];
	/** For messages: `pg_dump of orders`. */
	readonly what: string;
	readonly onLine: (line: string) => void;
	/** Told of the whole command when it is started. */
	readonly onStart: (words: readonly string[]) => void;
	/** Told when it has ended well: what remains is hashing what it wrote, and giving it its name. */
	readonly onEnd?: () => void;
	/** It does not look at what becomes of its writes (pg_dumpall, when the disk is full): its bytes pass through us. */
	readonly careless?: true;
};

/** Gets ready, while there is something else to be waited for, what encrypted dumps need before their first byte. */
export function prepareStreams(env: ChildOptions['env']): void {
	preparePipes(env);
	prepareThread();
}

/**
 * Runs the command and keeps what it writes to stdout. Without encryption the child writes the partial file itself unless it is
 * careless; with it the bytes stream through us and no plain text touches the disk. When this returns or throws, the child is gone.
 */
export async function dumpToArtifact(command: DumpCommand, options: ArtifactOptions): Promise<Written> {
	const {meter} = options;
	meter?.start('dump');
	try {
		const written = await (options.settings.encryption || command.careless
			? streamed(command, options)
			: owned(command, options));
		if (written.contents.every(content => content.plainSize === 0)) {
			await discardAll([written]);
			throw new PgBackError('DUMP_FAILED', `${command.what}: it wrote nothing, though it ended well`);
		}
		return written;
	} catch (error) {
		meter?.finish('dump', options.signal.aborted ? 'cancelled' : 'failed');
		throw error;
	}
}

/** Throws what pg_dump's own words say it was. */
export async function dumped(child: Child, what: string): Promise<void> {
	const result = await child.done;
	if (result.exitCode !== 0) throw dumpFailure(what, result);
}

function start(command: DumpCommand, stdout: 'pipe' | number, signal: AbortSignal) {
	command.onStart([command.command, ...command.args]);
	return startChild({...command, stdout, signal, onLine: line => command.onLine(line)});
}

function owned(command: DumpCommand, options: ArtifactOptions): Promise<Written> {
	return ownedArtifact(async (descriptor, path) => {
		// By name, as ever, for wrappers that look for it; what goes to standard output instead lands in the same file.
		const named = {...command, args: ['-f', path, ...command.args]};
		await dumped(start(named, descriptor, options.signal), command.what);
		options.meter?.finish('dump');
		command.onEnd?.();
	}, options);
}

async function streamed(command: DumpCommand, options: ArtifactOptions): Promise<Written> {
	const inner = new AbortController();
	// A thread of its own is for what is sealed; without that, only little comes this way.
	const pipe = options.settings.encryption ? await takePipe(command.env) : undefined;
	let child: Child;
	try {
		child = start(command, pipe?.writable ?? 'pipe', AbortSignal.any([options.signal, inner.signal]));
	} catch (error) {
		if (pipe) closeSync(pipe.readable);
		throw error;
	} finally {
		if (pipe) closeSync(pipe.writable); // the child has it: its end is the end of the bytes
	}
	const ended = dumped(child, command.what);
	const settled = ended.catch(() => undefined); // thrown by `confirm`, unless we failed first
	try {
		return await writeArtifact(
			pipe ? {descriptor: pipe.readable} : ((child.stdout ?? []) as AsyncIterable<Uint8Array>),
			{
				...options,
				onBytes: bytes => options.meter?.count('dump', bytes),
				confirm: async () => {
					await ended;
					options.meter?.finish('dump');
					command.onEnd?.();
				},
			},
		);
	} catch (error) {
		inner.abort(error);
		await settled;
		// Our own failure comes first: the child then fails of the pipe that broke.
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
