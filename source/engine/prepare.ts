/** What must be in order before any hook runs and anything is written. */
import type {PgBackError} from '../core/errors.js';
import {buildConnection, type Connection} from '../postgres/connection.js';
import {findTools, type FindOptions, type Tools} from '../postgres/tools.js';
import type {EncryptionKeys} from '../stages/age/keys.js';
import type {VerifyTools} from '../stages/verify.js';
import type {RunContext} from './context.js';

export type BackupOptions = {
	/** Instead of those that the configuration names. */
	readonly databases?: readonly string[];
};

/** What went wrong so far; added to as it happens, so that nothing is lost when a later step throws. */
export type Damage = {
	readonly failures: PgBackError[];
	/** Names of databases that were asked for and not dumped. */
	readonly databases: string[];
};

export type Prepared = {
	readonly encryption: EncryptionKeys | undefined;
	readonly connection: Connection;
};

/** Parses keys and the connection, and looks for the tools. The caller disposes of the connection. */
export async function prepare(run: RunContext): Promise<Prepared> {
	const {settings} = run.configuration;
	const encryption = settings.encrypt ? await (await import('./keys.js')).loadRunEncryption(run) : undefined;
	await findTools(backupToolOptions(run));
	const {dbname, host, port, user} = settings;
	const connection = await buildConnection({dbname, host, port, user}, run.env);
	run.emit({type: 'log', level: 'debug', text: `connection: ${connection.describe()}`});
	return {encryption, connection};
}

/** What reads dumps to their end; a pg_restore that says nothing for a minute is ended. */
export function verifyTools(run: RunContext, {pgRestore}: Pick<Tools, 'pgRestore'>): VerifyTools {
	return {pgRestore: pgRestore?.path, env: run.env, signal: run.signal, stallTimeout: 60_000};
}

/** Of the tools those that a backup uses. */
export function backupToolOptions(run: RunContext): FindOptions {
	const {dumpOnly, verify} = run.configuration.settings;
	const without = [
		...(dumpOnly ? (['pg_dumpall'] as const) : []),
		...(verify === 'full' ? [] : (['pg_restore'] as const)),
	];
	return {...findOptions(run), without};
}

export function findOptions(run: RunContext): FindOptions {
	const {binDirectory} = run.configuration.settings;
	return {env: run.env, signal: run.signal, ...(binDirectory !== '' && {binDirectory})};
}
