/** Child processes of the demo. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {constants} from 'node:os';

export type Owner = {readonly uid: number; readonly gid: number};

export type CaptureOptions = {
	readonly input?: string;
	readonly owner?: Owner;
	readonly cwd?: string;
	readonly signal?: AbortSignal;
};

/** The environment without settings for other servers. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
	return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PG|PGBK_)/.test(name)));
}

/** Runs a command to its end and returns its standard output; rejects with its messages when it fails. */
export async function capture(command: string, args: readonly string[], options: CaptureOptions = {}): Promise<string> {
	const {input = '', owner, cwd, signal} = options;
	const child = spawn(command, args, {stdio: 'pipe', env: cleanEnvironment(), cwd, signal, ...owner});
	let output = '';
	let messages = '';
	child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
	child.stderr.setEncoding('utf8').on('data', (text: string) => (messages += text));
	child.stdin.on('error', () => undefined); // it may exit before it has read everything; its exit status gives the reason
	child.stdin.end(input);
	const [code] = (await once(child, 'close')) as [number | null];
	if (code !== 0) throw new Error(`${command} failed: ${messages.trim()}`);
	return output;
}

/** Why the demo's work was stopped. */
export class StoppedBySignal extends Error {
	readonly signal: NodeJS.Signals;

	constructor(signal: NodeJS.Signals) {
		super(`stopped by ${signal}`);
		this.signal = signal;
	}
}

/**
 * Runs a command with our terminal and returns its exit status, 128+N after signal N. When `signal` aborts, the command
 * is stopped too: by SIGTERM, because it survives a terminal's SIGHUP; a Ctrl-C at a terminal reaches it directly.
 */
export async function attach(
	command: string,
	args: readonly string[],
	env: NodeJS.ProcessEnv,
	signal: AbortSignal,
): Promise<number> {
	signal.throwIfAborted();
	const child = spawn(command, args, {stdio: 'inherit', env});
	const pass = (): void => {
		const reached =
			signal.reason instanceof StoppedBySignal && signal.reason.signal === 'SIGINT' && process.stdin.isTTY;
		if (!reached) child.kill('SIGTERM');
	};
	signal.addEventListener('abort', pass, {once: true});
	const [code, killer] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
	signal.removeEventListener('abort', pass);
	return code ?? 128 + (killer === null ? 0 : constants.signals[killer]);
}
