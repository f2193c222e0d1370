/** What a process with `--servers` reads for its servers itself, before their own processes start. */
import {type CommandLine} from '../config/command-line.js';
import {loadConfiguration} from '../config/configuration.js';
import type {Settings} from '../config/options.js';
import {PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {logLine} from '../lib/log-line.js';
import {toolEnvironment} from '../postgres/environment.js';
import {newRunId, type RunContext} from '../runs/context.js';
import {secretVariables} from '../storage/definitions.js';
import type {Io} from './io.js';
import {version} from './version.js';

/** The command of a process with `--servers`. */
export type ServersCommand = {
	readonly io: Io;
	readonly commandLine: CommandLine;
	/** The settings of the general file. */
	readonly settings: Settings;
	/** Names of files in servers.d. */
	readonly servers: readonly string[];
	readonly signal: AbortSignal;
};

export type ServerRun = Pick<ServersCommand, 'io' | 'commandLine' | 'signal'> & {
	/** The name of a file in servers.d. */
	readonly server: string;
	readonly emit: Emit;
};

/**
 * Resolves to the run context of a server, as its own process will have it; undefined if its configuration has an error,
 * which that process reports.
 */
export async function runOfServer({io, commandLine, server, signal, emit}: ServerRun): Promise<RunContext | undefined> {
	const values = new Map([...commandLine.values, ['server', server] as const]);
	values.delete('servers');
	try {
		const configuration = await loadConfiguration({commandLine: {...commandLine, values}, env: io.env});
		const toolEnv = toolEnvironment(io.env, secretVariables);
		return {configuration, env: io.env, toolEnv, emit, signal, now: () => new Date(), version, ...newRunId()};
	} catch (error) {
		if (error instanceof PgBackError) return undefined;
		throw error;
	}
}

/** Writes the log events of such a run to standard error. */
export function emitTo(io: Io): Emit {
	return event => {
		if (event.type === 'log') io.stderr.write(logLine(Date.now(), event.level, event.text));
	};
}
