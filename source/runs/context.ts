import {randomBytes, randomUUID} from 'node:crypto';
import type {Configuration} from '../config/configuration.js';
import type {PgBackError} from '../core/errors.js';
import type {Emit, JobQuestion, Outcome} from '../core/events.js';
import type {Secrets} from '../core/secrets.js';
import type {Environment} from '../lib/environment.js';
import type {Scheduler} from './scheduler.js';

/** Which run it is. */
export type RunIdentity = {
	readonly runId: string;
	readonly version: string;
};

/** What reports, and can be stopped. */
export type ReportContext = {
	readonly emit: Emit;
	/** Aborted with a CancelledError to stop the run. */
	readonly signal: AbortSignal;
};

/** What decides by the configuration. */
export type ConfiguredContext = ReportContext & {
	readonly configuration: Configuration;
	readonly now: () => Date;
	/** Six characters of [a-z0-9], part of the names of partial files and of the run's lock file. */
	readonly tag: string;
};

/** What opens the places where dumps are kept. */
export type StoreContext = ConfiguredContext & {
	readonly env: Environment;
};

/** What runs PostgreSQL programs. */
export type ServerContext = ConfiguredContext & {
	/** The environment without secrets. */
	readonly toolEnv: Readonly<Record<string, string>>;
};

/** What loads keys and passphrases. */
export type SecretContext = ReportContext & {
	readonly configuration: Configuration;
	readonly env: Environment;
	/** Asks the user at the terminal, without echo; absent if there is no terminal. */
	readonly askSecret?: (label: string) => Promise<string>;
	/** Entered by the user of the console: they take precedence over configured ones, and are kept in memory only. */
	readonly secrets?: Secrets;
};

/** What runs jobs while it holds locks. */
export type JobsContext = ReportContext & {
	readonly env: Environment;
	readonly now: () => Date;
	readonly tag: string;
	/** Called with the scheduler of the jobs, so that they can be canceled and repeated. */
	readonly onScheduler?: (scheduler: Scheduler) => void;
	/**
	 * Called when the run has locked a directory, from which other processes may then query its status. Never throws; may
	 * be called more than once.
	 */
	readonly serveStatus?: (directory: string) => Promise<void>;
};

/** What asks the user to confirm. */
export type ConfirmContext = ReportContext & {
	/** Asks the user at the terminal, with echo; absent if there is no terminal. */
	readonly askLine?: (label: string) => Promise<string>;
	/**
	 * Shows the question of a job and resolves to the answer; absent if `askLine` is used instead, or if there is no
	 * terminal.
	 */
	readonly askJob?: (job: string, question: JobQuestion, signal: AbortSignal) => Promise<string>;
};

/** What every command of the engine receives. A function below it takes only the parts that it uses. */
export type RunContext = RunIdentity & StoreContext & ServerContext & SecretContext & JobsContext & ConfirmContext;

export type RunResult = {
	readonly exitCode: number;
	readonly outcome: Outcome;
	/** The reason why the run did not succeed. */
	readonly error?: PgBackError;
	/** A failure outside of any job: later successful jobs do not clear it. */
	readonly isLasting?: boolean;
};

export function newRunId(): {readonly runId: string; readonly tag: string} {
	const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
	const tag = [...randomBytes(6)].map(byte => letters[byte % letters.length] ?? 'a').join('');
	return {runId: randomUUID(), tag};
}
