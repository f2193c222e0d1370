import {randomBytes, randomUUID} from 'node:crypto';
import type {Configuration} from '../config/configuration.js';
import type {PgBackError} from '../core/errors.js';
import type {Emit, Outcome} from '../core/events.js';
import type {Secrets} from '../core/handle.js';
import type {Scheduler} from './scheduler.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a command of the engine is given. */
export type RunContext = {
	readonly runId: string;
	/** Six characters of [a-z0-9], part of the names of partial files and of the run's lock. */
	readonly tag: string;
	readonly configuration: Configuration;
	readonly env: Environment;
	readonly emit: Emit;
	/** Aborted with a CancelledError when the run is to end. */
	readonly signal: AbortSignal;
	readonly now: () => Date;
	readonly version: string;
	/** Asks the person at the terminal, without echo; absent where nobody is there. */
	readonly askSecret?: (label: string) => Promise<string>;
	/** Given by the person at the console: they come before what is configured, and are kept in memory only. */
	readonly secrets?: Secrets;
	/** Told of what runs jobs, so that somebody can cancel them and run them again. */
	readonly onScheduler?: (scheduler: Scheduler) => void;
};

export type RunResult = {
	readonly exitCode: number;
	readonly outcome: Outcome;
	/** Why the run did not succeed. */
	readonly error?: PgBackError;
};

export function newRunId(): {readonly runId: string; readonly tag: string} {
	const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
	const tag = [...randomBytes(6)].map(byte => letters[byte % letters.length] ?? 'a').join('');
	return {runId: randomUUID(), tag};
}
