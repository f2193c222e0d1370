/** Creates the context of an engine command from a command line; with the emitted events. */
import {parseCommandLine} from '../../source/cli/parse.js';
import {loadConfiguration} from '../../source/config/configuration.js';
import type {NewEvent} from '../../source/core/events.js';
import {toolEnvironment} from '../../source/postgres/environment.js';
import {newRunId, type RunContext} from '../../source/runs/context.js';
import {secretVariables} from '../../source/storage/definitions.js';

export type RecordedRun = RunContext & {readonly events: NewEvent[]; readonly logged: () => readonly string[]};

export async function runContext(
	argv: readonly string[],
	more: Partial<Pick<RunContext, 'now' | 'signal'>> = {},
): Promise<RecordedRun> {
	const env = {PATH: process.env['PATH'], HOME: process.env['HOME']};
	const events: NewEvent[] = [];
	return {
		...newRunId(),
		configuration: await loadConfiguration({commandLine: await parseCommandLine(['--no-config-file', ...argv]), env}),
		env,
		toolEnv: toolEnvironment(env, secretVariables),
		emit: event => events.push(event),
		events,
		logged: () => events.flatMap(event => (event.type === 'log' ? [event.text] : [])),
		signal: new AbortController().signal,
		now: () => new Date(),
		version: '3.0.0',
		...more,
	};
}
