/** Checks everything that must be in order before any hook runs and anything is written. */
import type {PgBackError} from '../core/errors.js';
import {buildConnection, type Connection} from '../postgres/connection.js';
import {type FindOptions, findTools, type Tools} from '../postgres/tools.js';
import type {EncryptionKeys} from '../stages/age/load-keys.js';
import type {VerifyTools} from '../stages/read-dump.js';
import type {RunContext, SecretContext, ServerContext} from './context.js';
import {loadRunEncryption} from './identities.js';

export type BackupOptions = {
	/** Overrides the databases in the configuration. */
	readonly databases?: readonly string[];
};

/** The failures so far; collected as they occur, so that none is lost when a later step throws. */
export type BackupFailures = {
	readonly failures: PgBackError[];
	/** Names of databases that were requested and not dumped. */
	readonly databases: string[];
	/** The subset of `failures` that belongs to jobs, which a later attempt can clear. */
	readonly jobFailures: Set<PgBackError>;
};

export type Prepared = {
	readonly encryption: EncryptionKeys | undefined;
	readonly connection: Connection;
};

/** Parses keys and the connection, and finds the tools. The caller disposes of the connection. */
export async function prepare(run: ServerContext & SecretContext): Promise<Prepared> {
	const {settings} = run.configuration;
	const encryption = settings.encrypt ? await loadRunEncryption(run) : undefined;
	await findTools(backupToolOptions(run));
	const {dbname, host, port, user} = settings;
	const connection = await buildConnection({dbname, host, port, user}, run.toolEnv);
	run.emit({type: 'log', level: 'debug', text: `connection: ${connection.describe()}`});
	return {encryption, connection};
}

/** Returns the tools that read dumps to their end; a pg_restore without output for a minute is killed. */
export function verifyTools(
	run: Pick<RunContext, 'signal' | 'toolEnv'>,
	{pgRestore}: Pick<Tools, 'pgRestore'>,
): VerifyTools {
	return {pgRestore: pgRestore?.path, env: run.toolEnv, signal: run.signal, stallTimeout: 60_000};
}

/** Returns which tools a backup needs. */
export function backupToolOptions(run: ServerContext): FindOptions {
	const {dumpOnly, verify} = run.configuration.settings;
	const without = [
		...(dumpOnly ? (['pg_dumpall'] as const) : []),
		...(verify === 'full' ? [] : (['pg_restore'] as const)),
	];
	return {...findOptions(run), without};
}

/** The warnings that each run has already emitted. */
const untrusted = new WeakMap<object, Set<string>>();

export function findOptions(run: ServerContext): FindOptions {
	const {binDirectory} = run.configuration.settings;
	const onUntrusted = (text: string) => {
		const warned = untrusted.get(run) ?? new Set<string>();
		untrusted.set(run, warned);
		if (!warned.has(text)) run.emit({type: 'log', level: 'warn', text});
		warned.add(text);
	};
	return {env: run.toolEnv, signal: run.signal, onUntrusted, ...(binDirectory !== '' && {binDirectory})};
}
