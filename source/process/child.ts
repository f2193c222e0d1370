import {spawn, type ChildProcess} from 'node:child_process';
import {existsSync} from 'node:fs';
import {PassThrough, pipeline, type Readable, type Writable} from 'node:stream';
import {PgBackError, CancelledError, isSystemError, systemReason} from '../core/errors.js';
import {createLineSplitter} from '../lib/lines.js';

export type ChildOptions = {
	/** Absolute path, or a name to look up in the child's PATH. */
	readonly command: string;
	/** No secret may stand here. */
	readonly args: readonly string[];
	/** The whole environment of the child. */
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly cwd?: string;
	readonly stdin?: 'ignore' | 'pipe';
	/** `pipe` (read `child.stdout`), `lines` (given to `onLine` like stderr), `ignore`, or a descriptor that the child writes to itself. */
	readonly stdout?: 'pipe' | 'lines' | 'ignore' | number;
	/** Descriptors that the child inherits from number 3 on: a lock held this way is freed when the last child is gone. */
	readonly inherit?: readonly number[];
	/** Ends the child: `stopSignal` (default SIGTERM), then SIGKILL after `killAfter` milliseconds (default 5,000). */
	readonly signal: AbortSignal;
	readonly stopSignal?: NodeJS.Signals;
	readonly killAfter?: number;
	/** It may ask at our terminal. All others get a session of their own: no hangup and no Ctrl-C of the terminal reaches them. */
	readonly foreground?: boolean;
	/** Each line of stderr (and of stdout with `lines`) as it comes. */
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
	 * Resolves when the child has ended and its streams are closed, whatever its status; rejects when it could not be started
	 * or was ended by `signal` (with the signal's reason).
	 */
	readonly done: Promise<ChildResult>;
};

const tailLines = 50;
/** Milliseconds after a child's end for which what it wrote is still waited for. */
const lastWords = 5000;
/** Begins the line of a program that is not there, or is none; its exit status is 126 or 127, as a shell's. */
export const cannotRun = 'cannot run ';

/**
 * Starts a child in our process group's session, tied to our life where the system offers it (`setpriv --pdeathsig`): after a
 * `kill -9` of ours it gets SIGTERM from the kernel.
 */
export function startChild(options: ChildOptions): Child {
	options.signal.throwIfAborted();
	const [command, args] = tiedToUs(options.command, options.args);
	const stdout = options.stdout ?? 'ignore';
	const child = spawn(command, args, {
		cwd: options.cwd,
		env: options.env,
		detached: !options.foreground,
		stdio: [options.stdin ?? 'ignore', stdout === 'lines' ? 'pipe' : stdout, 'pipe', ...(options.inherit ?? [])],
	});
	living.set(child, options.foreground ?? false);
	child.once('exit', () => living.delete(child));
	const stderr: string[] = [];
	collectLines(child.stderr, text => {
		const line = text.replace(/^setpriv: failed to execute /, cannotRun);
		if (line.trim() !== '') {
			stderr.push(line);
			if (stderr.length > tailLines) stderr.shift();
		}
		options.onLine?.(line, 'stderr');
	});
	if (stdout === 'lines') collectLines(child.stdout, line => options.onLine?.(line, 'stdout'));
	return {
		pid: child.pid,
		stdout: stdout === 'pipe' && child.stdout ? kept(child.stdout) : null,
		stdin: child.stdin,
		done: ended(child, options, stderr),
	};
}

/** When a child has ended, Node throws away what nobody reads yet (`flushStdio`): whoever takes this stream may take its time. */
function kept(stream: Readable): Readable {
	const copy = new PassThrough();
	pipeline(stream, copy, () => undefined); // an error destroys the copy, where its reader meets it
	return copy;
}

/** Each with whether it shares our terminal's session. */
const living = new Map<ChildProcess, boolean>();

// The kernel ends them with us, but a thread that reads from one must be free before we can go.
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
			killTimer = setTimeout(() => endGroup(child, 'SIGKILL', options), options.killAfter ?? 5000);
		};
		const settle = () => {
			clearTimeout(killTimer);
			clearTimeout(letGo);
			options.signal.removeEventListener('abort', onAbort);
		};
		options.signal.addEventListener('abort', onAbort, {once: true});
		child.once('error', error => {
			if (child.pid !== undefined) return; // a failed kill; the close event still comes
			settle();
			const why = isSystemError(error) ? systemReason(error) : error.message;
			reject(new PgBackError('FAILED', `could not start ${options.command}: ${why}`, {cause: error}));
		});
		// What it has left running (a hook that starts a service) may hold its end of our pipes for ever.
		child.once('exit', () => {
			letGo = setTimeout(() => {
				child.stderr?.destroy();
				if (options.stdout === 'lines') child.stdout?.destroy();
			}, lastWords);
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

/** The child and what it has started (a hook is often a script), which share its session. */
function endGroup(child: ChildProcess, signal: NodeJS.Signals, {foreground}: Pick<ChildOptions, 'foreground'>): void {
	if (foreground || child.pid === undefined) {
		child.kill(signal);
		return;
	}
	try {
		process.kill(-child.pid, signal);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has just ended
	}
}

function collectLines(stream: Readable | null, onLine: (line: string) => void): void {
	if (!stream) return;
	const splitter = createLineSplitter(onLine);
	stream.setEncoding('utf8');
	stream.on('data', (text: string) => splitter.push(text));
	stream.on('end', () => splitter.end());
}

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(path => process.platform === 'linux' && existsSync(path));

/** setpriv keeps argv[0], the environment and the descriptors, and is gone after its exec. */
function tiedToUs(command: string, args: readonly string[]): [string, string[]] {
	return setpriv === undefined ? [command, [...args]] : [setpriv, ['--pdeathsig', 'TERM', '--', command, ...args]];
}

/** How a child ended, for people: `exit status 3`, `killed by SIGXFSZ`. */
export function describeEnd(result: Pick<ChildResult, 'exitCode' | 'signalName'>): string {
	return result.signalName === null ? `exit status ${result.exitCode ?? '?'}` : `killed by ${result.signalName}`;
}

/** Waits for the child and throws a PgBackError with the end of its stderr unless it exited with 0. */
export async function succeed(
	child: Child,
	what: string,
	code: 'FAILED' | 'DUMP_FAILED' | 'HOOK_FAILED' = 'FAILED',
): Promise<ChildResult> {
	const result = await child.done;
	if (result.exitCode === 0) return result;
	const last = result.stderr.at(-1);
	throw new PgBackError(code, `${what}: ${describeEnd(result)}${last ? `: ${last}` : ''}`, {output: result.stderr});
}

/** Runs to the end and returns all of stdout as text. For small outputs, such as `--version`. */
export async function captureChild(options: Omit<ChildOptions, 'stdout'>, what: string): Promise<string> {
	const child = startChild({...options, stdout: 'pipe'});
	let text = '';
	child.stdout?.setEncoding('utf8');
	child.stdout?.on('data', (chunk: string) => (text += chunk));
	await succeed(child, what);
	return text;
}
