import {type ChildProcess, spawn} from 'node:child_process';
import {existsSync, realpathSync} from 'node:fs';
import {PassThrough, pipeline, type Readable, type Writable} from 'node:stream';
import {CancelledError, isSystemError, PgBackError, systemReason} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import {createLineSplitter} from '../lib/lines.js';
import {joinMessages} from './tool-messages.js';

export type ChildOptions = {
	/** An absolute path, or a name to look up in the child's PATH. */
	readonly command: string;
	/** Must not contain a secret. */
	readonly args: readonly string[];
	/** The complete environment of the child. */
	readonly env: Environment;
	readonly cwd?: string;
	readonly stdin?: 'ignore' | 'pipe';
	/**
	 * `pipe` (read `child.stdout`), `lines` (passed to `onLine` like stderr), `ignore`, or a descriptor that the child
	 * writes to.
	 */
	readonly stdout?: 'pipe' | 'lines' | 'ignore' | number;
	/**
	 * Descriptors that the child inherits from number 3 on: a lock held this way is released when the last child exits.
	 */
	readonly inherit?: readonly number[];
	/** Stops the child: `stopSignal` (default SIGTERM), then SIGKILL after `killAfter` milliseconds (default 5,000). */
	readonly signal: AbortSignal;
	readonly stopSignal?: NodeJS.Signals;
	readonly killAfter?: number;
	/**
	 * The child may prompt at our terminal. All others run in their own session, so that no hangup and no Ctrl-C of the
	 * terminal reaches them.
	 */
	readonly foreground?: boolean;
	/** `messages`: the child is a PostgreSQL tool, the lines of one message are one line for `onLine` and the result. */
	readonly stderr?: 'lines' | 'messages';
	/** Called with each line of stderr (and of stdout with `lines`) as it arrives. */
	readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
};

export type ChildResult = {
	readonly exitCode: number | null;
	readonly signalName: NodeJS.Signals | null;
	/** The last lines of stderr, without blank ones. */
	readonly stderr: readonly string[];
};

export type Child = {
	readonly pid: number | undefined;
	readonly stdout: Readable | null;
	readonly stdin: Writable | null;
	/**
	 * Resolves when the child has exited and its streams are closed, whatever its status; rejects when it could not be
	 * started or was killed by `signal` (with the signal's reason).
	 */
	readonly done: Promise<ChildResult>;
	/**
	 * Stops the child and the processes that it has started (SIGSTOP), or continues them. May be repeated, and has no
	 * effect once the child has exited or `signal` has aborted. Not for a child in the foreground.
	 */
	readonly hold: () => void;
	readonly release: () => void;
};

const tailLines = 50;
/**
 * libpq names the file of a wrong password: a file of ours (postgres/secret-files.ts) is removed by then, and the user
 * cannot fix it.
 */
const ownPasswordFile = /^password retrieved from file ".*\/pg_back-[^"]*"$/;
/** Milliseconds to wait for remaining output after a child has exited. */
const OUTPUT_GRACE_MS = 5000;
/**
 * Prefix of the message for a program that does not exist or is not executable; its exit status is 126 or 127, as in a
 * shell.
 */
export const cannotRun = 'cannot run ';

/**
 * Starts a child in its own session, bound to our process if the system supports it (`setpriv --pdeathsig`): after a
 * `kill -9` of ours the kernel sends it SIGTERM.
 */
export function startChild(options: ChildOptions): Child {
	options.signal.throwIfAborted();
	const [command, args] = tiedToUs(options.command, options.args);
	const stdout = options.stdout ?? 'ignore';
	const child = spawn(command, args, {
		cwd: options.cwd ?? (options.stderr === 'messages' ? replacedDirectory() : undefined),
		env: options.env,
		detached: !options.foreground,
		stdio: [options.stdin ?? 'ignore', stdout === 'lines' ? 'pipe' : stdout, 'pipe', ...(options.inherit ?? [])],
	});
	living.set(child, options.foreground ?? false);
	child.once('exit', () => living.delete(child));
	const stderr: string[] = [];
	const add = (text: string) => {
		const line = text.replace(/^setpriv: failed to execute /, cannotRun);
		if (line.trim() === '' || ownPasswordFile.test(line)) return;
		stderr.push(line);
		if (stderr.length > tailLines) stderr.shift();
		options.onLine?.(line, 'stderr');
	};
	const messages = options.stderr === 'messages' ? joinMessages(add) : undefined;
	collectLines(child.stderr, messages ? messages.push : add, messages?.end);
	if (stdout === 'lines') collectLines(child.stdout, line => options.onLine?.(line, 'stdout'));
	const isOver = () => options.signal.aborted || !living.has(child);
	return {
		pid: child.pid,
		stdout: stdout === 'pipe' && child.stdout ? kept(child.stdout) : null,
		stdin: child.stdin,
		done: ended(child, options, stderr),
		hold() {
			if (isOver()) return;
			stopped.add(child);
			endGroup(child, 'SIGSTOP', options);
		},
		release() {
			if (isOver()) return;
			stopped.delete(child);
			endGroup(child, 'SIGCONT', options);
		},
	};
}

/**
 * Returns a working directory for a PostgreSQL tool when ours was removed: the tools look for each other from theirs. The
 * paths that they are given are absolute then, because no relative one can exist.
 */
function replacedDirectory(): string | undefined {
	try {
		realpathSync.native('.');
		return undefined;
	} catch {
		return '/';
	}
}

/** Copies a stream. When a child has exited, Node discards unread output (`flushStdio`); the copy can be read later. */
function kept(stream: Readable): Readable {
	const copy = new PassThrough();
	pipeline(stream, copy, () => undefined); // an error destroys the copy, where the reader receives it
	return copy;
}

/** Running children, with whether each shares our terminal's session. */
const living = new Map<ChildProcess, boolean>();
/** Children that are held. */
const stopped = new WeakSet<ChildProcess>();

// The kernel kills them with us, but a worker that reads from one must be unblocked before we can exit.
process.on('exit', () => {
	for (const [child, foreground] of living) endGroup(child, 'SIGKILL', {foreground});
});

function ended(child: ChildProcess, options: ChildOptions, stderr: readonly string[]): Promise<ChildResult> {
	return new Promise((resolve, reject) => {
		let killTimer: NodeJS.Timeout | undefined;
		let letGo: NodeJS.Timeout | undefined;
		const onAbort = () => {
			if (options.stopSignal) child.kill(options.stopSignal);
			else endGroup(child, 'SIGTERM', options);
			// A stopped process handles no SIGTERM until it continues.
			if (stopped.has(child)) endGroup(child, 'SIGCONT', options);
			killTimer = setTimeout(() => endGroup(child, 'SIGKILL', options), options.killAfter ?? 5000);
		};
		const settle = () => {
			clearTimeout(killTimer);
			clearTimeout(letGo);
			options.signal.removeEventListener('abort', onAbort);
		};
		options.signal.addEventListener('abort', onAbort, {once: true});
		child.once('error', error => {
			if (child.pid !== undefined) return; // a failed kill; the close event still follows
			settle();
			const why = isSystemError(error) ? systemReason(error) : error.message;
			reject(new PgBackError('FAILED', `could not start ${options.command}: ${why}`, {cause: error}));
		});
		// Processes that it has left running (a hook that starts a service) may hold the other end of our pipes forever.
		child.once('exit', () => {
			letGo = setTimeout(() => {
				child.stderr?.destroy();
				if (options.stdout === 'lines' || options.signal.aborted) child.stdout?.destroy();
			}, OUTPUT_GRACE_MS);
		});
		child.once('close', (exitCode, signalName) => {
			settle();
			if (options.signal.aborted) {
				const reason: unknown = options.signal.reason;
				reject(reason instanceof Error ? reason : new CancelledError());
			} else resolve({exitCode, signalName, stderr});
		});
	});
}

/** Signals the child and the processes that it has started (a hook is often a script), which share its session. */
function endGroup(child: ChildProcess, signal: NodeJS.Signals, {foreground}: Pick<ChildOptions, 'foreground'>): void {
	if (foreground || child.pid === undefined) {
		child.kill(signal);
		return;
	}
	try {
		process.kill(-child.pid, signal);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has just exited
	}
}

function collectLines(stream: Readable | null, onLine: (line: string) => void, onEnd?: () => void): void {
	if (!stream) return;
	const splitter = createLineSplitter(onLine);
	stream.setEncoding('utf8');
	stream.on('data', (text: string) => splitter.push(text));
	stream.on('end', () => {
		splitter.end();
		onEnd?.();
	});
	if (onEnd) stream.once('close', onEnd); // destroyed, without an end
}

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(path => process.platform === 'linux' && existsSync(path));

/** setpriv keeps argv[0], the environment and the descriptors, and is replaced by exec. */
function tiedToUs(command: string, args: readonly string[]): [string, string[]] {
	return setpriv === undefined ? [command, [...args]] : [setpriv, ['--pdeathsig', 'TERM', '--', command, ...args]];
}

/** Describes how a child ended, for people: `exit status 3`, `killed by SIGXFSZ`. */
export function describeEnd(result: Pick<ChildResult, 'exitCode' | 'signalName'>): string {
	return result.signalName === null ? `exit status ${result.exitCode ?? '?'}` : `killed by ${result.signalName}`;
}

/**
 * Returns the line with the reason of a failure: the first error, because later ones are consequences; else the last
 * line.
 */
export function firstError(stderr: readonly string[]): string | undefined {
	return stderr.find(line => /(?:^|: )(?:error|fatal|ERROR|FATAL|PANIC): /.test(line)) ?? stderr.at(-1);
}

/** Writes to the standard input of a child. Resolves when it has the bytes, or has gone: its exit status gives the reason. */
export async function writeInput(stdin: Writable, bytes: Uint8Array | string): Promise<void> {
	await new Promise<void>(resolve => stdin.write(bytes, () => resolve()));
}

/** Bytes; smaller pieces are copied and wait for the next one. */
const smallInput = 4096;

/**
 * Collects small pieces for the standard input of a child, such as the lengths between the blocks of an archive: each
 * write of its own would wake the child.
 */
export class InputWriter {
	readonly #stdin: Writable;
	#small: Uint8Array[] = [];
	#bytes = 0;

	constructor(stdin: Writable) {
		this.#stdin = stdin;
	}

	/** Resolves when `piece` is not used any more. */
	async write(piece: Uint8Array): Promise<void> {
		if (piece.byteLength < smallInput && this.#bytes < smallInput) {
			this.#small.push(Buffer.from(piece));
			this.#bytes += piece.byteLength;
			return;
		}
		this.#stdin.cork();
		for (const one of this.#small) this.#stdin.write(one);
		this.#small = [];
		this.#bytes = 0;
		const written = writeInput(this.#stdin, piece);
		this.#stdin.uncork();
		await written;
	}

	/** Writes what waits, and ends the input. */
	end(): void {
		for (const one of this.#small) this.#stdin.write(one);
		this.#small = [];
		this.#stdin.end();
	}
}

/** Waits for the child and throws a PgBackError with the end of its stderr unless it exited with 0. */
export async function succeed(
	child: Child,
	what: string,
	code: 'FAILED' | 'DUMP_FAILED' | 'HOOK_FAILED' = 'FAILED',
): Promise<ChildResult> {
	const result = await child.done;
	if (result.exitCode === 0) return result;
	const last = firstError(result.stderr);
	throw new PgBackError(code, `${what}: ${describeEnd(result)}${last ? `: ${last}` : ''}`, {output: result.stderr});
}

/** Runs a child to its end and returns all of stdout as text. For small outputs, such as `--version`. */
export async function captureChild(options: Omit<ChildOptions, 'stdout'>, what: string): Promise<string> {
	const child = startChild({...options, stdout: 'pipe'});
	let text = '';
	child.stdout?.setEncoding('utf8');
	child.stdout?.on('data', (chunk: string) => (text += chunk));
	child.stdout?.on('error', () => undefined); // truncated: the child's exit status gives the reason
	await succeed(child, what);
	return text;
}
