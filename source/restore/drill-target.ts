/** The target server of a drill: a scratch server, or a given server for drills. */
import {messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {knownVulnerabilities} from '../postgres/client-vulnerabilities.js';
import {buildConnection, type Connection} from '../postgres/connection.js';
import {identifier} from '../postgres/quote.js';
import {type ScratchServer, serverAccount, startScratchServer} from '../postgres/scratch-server.js';
import {openSession} from '../postgres/session.js';
import {eventTriggersOff, readInventory} from '../postgres/target-inventory.js';
import {findPsql, findServers, type Tool} from '../postgres/tools.js';
import {parseVersion} from '../postgres/versions.js';
import type {Manifest} from '../repository/manifest.js';
import type {RunContext, ServerContext, StoreContext} from '../runs/context.js';
import {findOptions} from '../runs/prepare-backup.js';
import {drillServerCommand} from './command-line.js';
import {sweepGivenServer} from './drill-databases.js';
import type {DrillDirectory} from './drill-directory.js';
import {hiddenName} from './restore-plan.js';
import {onSession, type RestoreTarget} from './restore-target.js';

export type DrillTarget = RestoreTarget & {
	/** The scratch server: everything in it may be dropped. */
	readonly scratch: ScratchServer | undefined;
	/** Returns the name for a restored database: its own, or one that does not exist in a given server. */
	readonly databaseName: (database: string) => string;
	/** Roles that the drill has created in a given server, to be dropped. */
	readonly createdRoles: string[];
};

const maintenance = 'pg_back_drill';

/**
 * Opens the target. `superuser` is the name of the dumped server's. Throws when no server fits the manifest. The caller
 * closes it.
 */
export async function openDrillTarget(
	run: StoreContext & ServerContext,
	manifest: Manifest | undefined,
	directory: DrillDirectory,
	superuser: string,
): Promise<DrillTarget> {
	const {drillDbname} = run.configuration.settings;
	return drillDbname === '' ? openScratch(run, manifest, directory, superuser) : openGiven(run, manifest, drillDbname);
}

async function openScratch(
	run: StoreContext & ServerContext,
	manifest: Manifest | undefined,
	{server: directory, lock}: DrillDirectory,
	superuser: string,
): Promise<DrillTarget> {
	const server = await chooseServer(run, manifest);
	run.emit({type: 'log', level: 'info', text: `starting a scratch server with ${server.path}`});
	const scratch = await startScratchServer({
		...{server, directory, superuser, inherit: [lock], env: run.toolEnv, signal: run.signal},
		preload: manifest?.server.preloadLibraries ?? [],
		cronDatabase: manifest?.server.cronDatabase,
	});
	if (scratch.missingLibraries.length > 0) {
		const text = `not on this machine: ${scratch.missingLibraries.join(', ')} of shared_preload_libraries of the dumped server`;
		run.emit({type: 'log', level: 'warn', text});
	}
	try {
		const {PATH, LD_LIBRARY_PATH} = run.env;
		const where = {host: scratch.directory, port: scratch.port, user: scratch.user};
		// No library of the dumped server's roles is loaded into sessions here.
		const env = {PATH, LD_LIBRARY_PATH, HOME: scratch.directory, PGOPTIONS: '-c session_preload_libraries='};
		const first = await openOn(run, await buildConnection({...where, dbname: 'postgres'}, env, 'pg_back drill'));
		await first.session.query(`create database ${maintenance} template template0`);
		await first.session.close();
		const connection = await buildConnection({...where, dbname: maintenance}, env, 'pg_back drill');
		const target = await openOn(run, connection);
		return {
			...target,
			label: `a scratch server ${target.inventory.versionText}`,
			scratch,
			account: await serverAccount(),
			databaseName: database => database,
			createdRoles: [],
			async close() {
				await target.session.close();
				await scratch.close();
			},
		};
	} catch (error) {
		await scratch.close();
		throw error;
	}
}

async function openGiven(run: ServerContext, manifest: Manifest | undefined, dbname: string): Promise<DrillTarget> {
	const connection = await buildConnection({dbname}, run.toolEnv, 'pg_back drill');
	try {
		const target = await openOn(run, connection);
		const {session, inventory} = target;
		if (inventory.systemIdentifier !== undefined && inventory.systemIdentifier === manifest?.server.systemIdentifier) {
			await session.close();
			throw new PgBackError('CONFIG', 'drill_dbname is the server that was backed up', {
				hint: 'name a server that is made for drills',
			});
		}
		await sweepGivenServer(run, target);
		const createdRoles: string[] = [];
		return {
			...target,
			label: `the server at ${session.host}:${session.port}`,
			scratch: undefined,
			databaseName: database => hiddenName(database, `drill-${run.tag}`),
			createdRoles,
			async close() {
				await dropRoles(run, target, createdRoles);
				await session.close();
				await connection.dispose();
			},
		};
	} catch (error) {
		await connection.dispose();
		throw error;
	}
}

/** A scratch server opens two sessions, with one warning for both. */
const warned = new WeakSet<object>();

function warnOfHoles(run: Pick<RunContext, 'emit'>, psql: Tool): void {
	const text = knownVulnerabilities(psql);
	if (text !== undefined && !warned.has(run)) run.emit({type: 'log', level: 'warn', text});
	warned.add(run);
}

async function openOn(run: ServerContext, connection: Connection): Promise<RestoreTarget> {
	const psql = await findPsql(findOptions(run));
	warnOfHoles(run, psql);
	const session = await openSession({psql: psql.path, connection, signal: run.signal});
	const inventory = await readInventory(session);
	const serverOptions = eventTriggersOff(inventory);
	const open: RestoreTarget['open'] = (database, signal = run.signal) =>
		openSession({psql: psql.path, connection, database, signal, serverOptions});
	return {
		...{connection, psql, open, session, label: ''},
		maintenance: session.database,
		inventory,
		close: () => session.close(),
	};
}

/** Drops roles. One that something still depends on is kept and reported. */
async function dropRoles(
	{emit, configuration}: ServerContext,
	target: RestoreTarget,
	roles: readonly string[],
): Promise<void> {
	for (const role of roles) {
		try {
			await onSession(target, session => session.query(`drop role if exists ${identifier(role)}`));
		} catch (error) {
			emit({
				type: 'log',
				level: 'warn',
				text: `could not drop role ${display(role)} of the drill (${messageOf(error)}): run ${drillServerCommand(configuration, {cleanupRestores: true})} to try again`,
			});
		}
	}
}

const majorOf = (version: number) => (version >= 100_000 ? Math.floor(version / 10_000) : version / 100_000);

/**
 * Chooses the oldest server that is not older than the dump's tools, so that it supports everything that they write;
 * else than the dump's server.
 */
async function chooseServer(run: ServerContext, manifest: Manifest | undefined): Promise<Tool> {
	const servers = await findServers(findOptions(run));
	const server = majorOf(versionOf(manifest?.server.version));
	const tools = majorOf(versionOf(manifest?.tools['pg_dump']));
	const newest = manifest ? undefined : servers.at(-1);
	const fitting =
		newest ??
		servers.find(one => majorOf(one.version) >= Math.max(server, tools)) ??
		servers.find(one => majorOf(one.version) >= server);
	if (fitting) return fitting;
	throw new PgBackError(
		'TOOLS',
		`found no PostgreSQL server ${server || ''} or newer on this machine to restore into`.replace('  ', ' '),
		{
			hint: 'install the server package, set its directory with --bin-directory, or set a server with --drill-dbname',
		},
	);
}

function versionOf(text: string | undefined): number {
	return text === undefined ? 0 : (parseVersion(`x ${text}`) ?? 0);
}
