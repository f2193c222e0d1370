/** Lists what a server has to dump, for the plan of a divided run. */
import {selectDatabases} from '../../backup/select-databases.js';
import {Sessions} from '../../backup/sessions.js';
import {PgBackError} from '../../core/errors.js';
import {formatTimestamp} from '../../lib/time.js';
import {listDatabases, serverInfo} from '../../postgres/catalog.js';
import {buildConnection} from '../../postgres/connection.js';
import type {RunContext, ServerContext} from '../../runs/context.js';

export type Inventory = {
	readonly databases: readonly {readonly name: string; readonly bytes: number}[];
	readonly systemIdentifier: string | undefined;
	/** Dumps need replay to be paused, which all of them share. */
	readonly isStandby: boolean;
};

/** Includes requested names that do not exist: the shard that gets them reports them. Throws CONNECTION and TOOLS. */
export async function takeInventory(run: ServerContext): Promise<Inventory> {
	const {dbname, host, port, user, includeDbs, excludeDbs, withTemplates} = run.configuration.settings;
	const connection = await buildConnection({dbname, host, port, user}, run.toolEnv);
	const sessions = new Sessions(run, connection);
	try {
		const session = await sessions.open();
		const server = await serverInfo(session);
		const all = await listDatabases(session, {sizes: true});
		const selection = selectDatabases(all, {include: includeDbs, exclude: excludeDbs, withTemplates});
		return {
			databases: [
				...selection.databases.map(({name, size}) => ({name, bytes: size ?? 0})),
				...selection.missing.map(({name}) => ({name, bytes: 0})),
			],
			systemIdentifier: server.systemIdentifier,
			isStandby: server.inRecovery,
		};
	} finally {
		await sessions.close();
		await connection.dispose();
	}
}

/** Returns the time in the names of files, as this host writes it. */
export function timeTextOf(run: Pick<RunContext, 'configuration'>, start: number): string {
	return formatTimestamp(new Date(start), run.configuration.settings.timestampFormat);
}

/** Throws CONFIG when two attempts at one shard could not create the same files. */
export function requireDivisible(run: Pick<RunContext, 'configuration'>, databases: readonly string[]): void {
	const {forDatabase} = run.configuration;
	const directory = databases.find(name => forDatabase(name).format === 'directory');
	if (directory === undefined) return;
	throw new PgBackError('CONFIG', `--shard: ${directory} cannot be dumped in the directory format`, {
		hint: 'set format = custom: a dump of many files cannot be uploaded in one step',
	});
}
