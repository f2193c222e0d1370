import {messageOf, PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import type {Environment} from '../lib/environment.js';
import {shownCommand} from '../lib/shown-command.js';
import {cannotRun, describeEnd, startChild} from '../process/child.js';
import {timeLimit} from '../process/time-limit.js';
import {checkHookCommand} from './hook-command.js';

export type HookOptions = {
	/** Words; not parsed by a shell. */
	readonly words: readonly string[];
	/** `pre-backup` or `post-backup`. */
	readonly label: string;
	/** Inherited by the hook. */
	readonly env: Environment;
	readonly signal: AbortSignal;
	readonly emit: Emit;
	/** Seconds after which the hook is killed; 0 or absent: never. */
	readonly timeout?: number;
};

/** The number of last lines of a failed hook that are repeated as errors, so that a quiet log contains them. */
const tailLines = 20;

/** Runs a hook, and logs its lines as they arrive. Throws HOOK_FAILED when it cannot be started or fails. */
export async function runHook(options: HookOptions): Promise<void> {
	const [command, ...args] = options.words;
	const {emit, label} = options;
	if (command === undefined) throw new PgBackError('HOOK_FAILED', `unable to run an empty ${label} command`);
	emit({type: 'log', level: 'info', text: `running ${label} command: ${shownCommand(options.words)}`});
	await checkHookCommand(options.words, options.env);
	const tail: string[] = [];
	const limit = timeLimit(
		options.timeout,
		() => new PgBackError('HOOK_FAILED', `it took longer than ${options.timeout ?? 0} s`),
	);
	const child = startChild({
		command,
		args,
		env: options.env,
		signal: AbortSignal.any([options.signal, limit.signal]),
		stdout: 'lines',
		onLine(line) {
			if (line.trim() === '') return;
			emit({type: 'log', level: 'info', text: `${label}: ${line}`});
			tail.push(line);
			if (tail.length > tailLines) tail.shift();
		},
	});
	const hint = `check the path and the permissions of ${command}`;
	const result = await child.done
		.catch((error: unknown) => {
			if (options.signal.aborted) throw error;
			const why = limit.signal.aborted ? 'increase hook_timeout to allow more time' : hint;
			throw new PgBackError('HOOK_FAILED', `hook command failed: ${messageOf(error)}`, {cause: error, hint: why});
		})
		.finally(() => limit.end());
	if (result.exitCode === 0) return;
	const last = result.stderr.at(-1);
	if (last?.startsWith(cannotRun)) throw new PgBackError('HOOK_FAILED', `hook command failed: ${last}`, {hint});
	for (const line of tail) emit({type: 'log', level: 'error', text: `${label}: ${line}`});
	throw new PgBackError('HOOK_FAILED', `hook command failed: ${describeEnd(result)}${last ? `: ${last}` : ''}`, {
		output: result.stderr,
	});
}
