import {PgBackError, messageOf} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {cannotRun, describeEnd, startChild} from '../process/child.js';
import {shownCommand} from '../process/shown.js';

export type HookOptions = {
	/** Words; not run through a shell. */
	readonly words: readonly string[];
	/** `pre-backup` or `post-backup`. */
	readonly label: string;
	/** Inherited by the hook. */
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly signal: AbortSignal;
	readonly emit: Emit;
};

/** How many of the last lines of a hook that failed are told again, as errors: a quiet log has them then. */
const tailLines = 20;

/** Runs a hook; its lines go to the log as they come. Throws HOOK_FAILED when it cannot be run or fails. */
export async function runHook(options: HookOptions): Promise<void> {
	const [command, ...args] = options.words;
	const {emit, label} = options;
	if (command === undefined) throw new PgBackError('HOOK_FAILED', `unable to run an empty ${label} command`);
	emit({type: 'log', level: 'info', text: `running ${label} command: ${shownCommand(options.words)}`});
	const tail: string[] = [];
	const child = startChild({
		command,
		args,
		env: options.env,
		signal: options.signal,
		stdout: 'lines',
		onLine(line) {
			if (line.trim() === '') return;
			emit({type: 'log', level: 'info', text: `${label}: ${line}`});
			tail.push(line);
			if (tail.length > tailLines) tail.shift();
		},
	});
	const hint = `check the path and the mode of ${command}`;
	const result = await child.done.catch((error: unknown) => {
		if (options.signal.aborted) throw error;
		throw new PgBackError('HOOK_FAILED', `hook command failed: ${messageOf(error)}`, {cause: error, hint});
	});
	if (result.exitCode === 0) return;
	const last = result.stderr.at(-1);
	if (last?.startsWith(cannotRun)) throw new PgBackError('HOOK_FAILED', `hook command failed: ${last}`, {hint});
	for (const line of tail) emit({type: 'log', level: 'error', text: `${label}: ${line}`});
	throw new PgBackError('HOOK_FAILED', `hook command failed: ${describeEnd(result)}${last ? `: ${last}` : ''}`, {
		output: result.stderr,
	});
}
