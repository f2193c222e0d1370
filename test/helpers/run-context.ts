/** What a command of the engine is given, from a command line; with what it emitted. */
import {parseCommandLine} from '../../source/cli/parse.js';
import {loadConfiguration} from '../../source/config/configuration.js';
import type {NewEvent} from '../../source/core/events.js';
import {newRunId, type RunContext} from '../../source/engine/context.js';

export type RecordedRun = RunContext & {readonly events: NewEvent[]; readonly logged: () => readonly string[]};

export async function runContext(
	argv: readonly string[],
	more: Partial<Pick<RunContext, 'now' | 'signal'>> = {},
): Promise<RecordedRun> {
	const env = {PATH: process.env['PATH'], HOME: process.env['HOME']};
	const events: NewEvent[] = [];
	return {
		...newRunId(),
		configuration: await loadConfiguration({argv: await parseCommandLine(['--no-config-file', ...argv]), env}),
		env,
		emit: event => events.push(event),
		events,
		logged: () => events.flatMap(event => (event.type === 'log' ? [event.text] : [])),
		signal: new AbortController().signal,
		now: () => new Date(),
		version: '3.0.0',
		...more,
	};
}
