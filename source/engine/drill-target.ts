/** The server that a drill restores into: one of its own, or one that is made for drills. */
import {dirname} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {serverInfo} from '../postgres/catalog.js';
import {buildConnection, type Connection} from '../postgres/connection.js';
import {identifier, literal} from '../postgres/quote.js';
import {asAccount, serverAccount, startScratchServer, type ScratchServer} from '../postgres/scratch-server.js';
import {openSession, type Session} from '../postgres/session.js';
import {findPsql, findServers, findTools, type Tool} from '../postgres/tools.js';
import {parseVersion} from '../postgres/versions.js';
import type {RunContext} from './context.js';
import type {DrillDirectory} from './drill-directory.js';
import type {Manifest} from './manifest.js';
import {findOptions} from './prepare.js';

export type DrillTarget = {
	/** Such as 150018. */
	readonly version: number;
	/** As the server prints it. */
	readonly versionText: string;
	readonly label: string;
	/** Our own: everything in it may be dropped. */
	readonly scratch: ScratchServer | undefined;
	readonly connection: Connection;
	/** The database that commands which create or drop others connect to. */
	readonly maintenance: string;
	/** On that database. */
	readonly session: Session;
	readonly psql: Tool;
	/** psql as the account of the scratch server: a plain dump may hold commands of its own. */
	readonly psqlCommand: (args: readonly string[]) => readonly [string, readonly string[]];
	readonly pgRestore: Tool | undefined;
	/** One that can read the server. */
	readonly pgDump: Tool | undefined;
	readonly close: () => Promise<void>;
};

const maintenance = 'pg_back_drill';

/** Throws when there is no server for what the manifest says. The caller closes. */
export async function openDrillTarget(
	run: RunContext,
	manifest: Manifest | undefined,
	directory: DrillDirectory,
): Promise<DrillTarget> {
	const {drillDbname} = run.configuration.settings;
	return drillDbname === '' ? openScratch(run, manifest, directory) : openGiven(run, manifest, drillDbname);
}

async function openScratch(
	run: RunContext,
	manifest: Manifest | undefined,
	{server: directory, lock}: DrillDirectory,
): Promise<DrillTarget> {
	const server = await chooseServer(run, manifest);
	run.emit({type: 'log', level: 'info', text: `starting a scratch server with ${server.path}`});
	const scratch = await startScratchServer({server, directory, inherit: [lock], env: run.env, signal: run.signal});
	try {
		const {PATH, LD_LIBRARY_PATH} = run.env;
		const where = {host: scratch.directory, port: scratch.port, user: scratch.user};
		const env = {PATH, LD_LIBRARY_PATH, HOME: scratch.directory};
		const first = await openOn(run, await buildConnection({...where, dbname: 'postgres'}, env, 'pg_back drill'));
		await first.session.query(`create database ${maintenance} template template0`);
		await first.session.close();
		const connection = await buildConnection({...where, dbname: maintenance}, env, 'pg_back drill');
		const {session, psql} = await openOn(run, connection);
		const account = await serverAccount();
		const [[versionText] = []] = await session.query("select pg_catalog.current_setting('server_version')");
		return {
			version: session.serverVersion,
			versionText: versionText?.split(' ')[0] ?? '',
			label: `a scratch server ${versionText?.split(' ')[0] ?? ''}`,
			scratch,
			connection,
			maintenance,
			session,
			psql,
			psqlCommand: args => asAccount(account, psql.path, args),
			...(await chooseTools(run, dirname(server.path), session.serverVersion, manifest)),
			async close() {
				await session.close();
				await scratch.close();
			},
		};
	} catch (error) {
		await scratch.close();
		throw error;
	}
}

async function openGiven(run: RunContext, manifest: Manifest | undefined, dbname: string): Promise<DrillTarget> {
	const connection = await buildConnection({dbname}, run.env, 'pg_back drill');
	try {
		const {session, psql} = await openOn(run, connection);
		const {systemIdentifier, version} = await serverInfo(session);
		if (systemIdentifier !== undefined && systemIdentifier === manifest?.server.systemIdentifier) {
			await session.close();
			throw new PgBackError('CONFIG', 'drill_dbname is the server that the backup was made of', {
				hint: 'name a server that is made for drills',
			});
		}
		return {
			version: session.serverVersion,
			versionText: version,
			label: `the server at ${session.host}:${session.port}`,
			scratch: undefined,
			connection,
			maintenance: session.database,
			session,
			psql,
			psqlCommand: args => [psql.path, args],
			...(await chooseTools(run, undefined, session.serverVersion, manifest)),
			async close() {
				await session.close();
				await connection.dispose();
			},
		};
	} catch (error) {
		await connection.dispose();
		throw error;
	}
}

async function openOn(run: RunContext, connection: Connection): Promise<{session: Session; psql: Tool}> {
	const psql = await findPsql(findOptions(run));
	return {psql, session: await openSession({psql: psql.path, connection, signal: run.signal})};
}

/** Removes a database that may be there. Only for a server of our own, and for what the drill itself has created. */
export async function dropDatabase({session}: Pick<DrillTarget, 'session'>, name: string): Promise<void> {
	const [found] = await session.query(
		`select datistemplate from pg_catalog.pg_database where datname = ${literal(name)}`,
	);
	if (!found) return;
	if (found[0] === 't') await session.query(`alter database ${identifier(name)} is_template false`);
	await session.query(`drop database ${identifier(name)}`, {timeout: 0});
}

const majorOf = (version: number) => (version >= 100_000 ? Math.floor(version / 10_000) : version / 100_000);

/** The oldest that is not older than the dump's tools, so that it understands all that they write; else than the dump's server. */
async function chooseServer(run: RunContext, manifest: Manifest | undefined): Promise<Tool> {
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
		`there is no PostgreSQL server ${server || ''} or newer on this machine to restore into`.replace('  ', ' '),
		{
			hint: 'install the server package, name its directory with --bin-directory, or a server with --drill-dbname',
		},
	);
}

/** Those beside the server; a pg_restore that is older than the pg_dump that wrote the archives is not taken. */
async function chooseTools(
	run: RunContext,
	directory: string | undefined,
	serverVersion: number,
	manifest: Manifest | undefined,
): Promise<Pick<DrillTarget, 'pgRestore' | 'pgDump'>> {
	const needed = majorOf(versionOf(manifest?.tools['pg_dump']));
	const others = await findTools(findOptions(run));
	const beside =
		directory === undefined
			? undefined
			: await findTools({...findOptions(run), binDirectory: directory}).catch(() => undefined); // a server without clients
	const restores = [beside?.pgRestore, others.pgRestore];
	const dumps = [beside?.pgDump, others.pgDump];
	return {
		pgRestore: restores.find(tool => tool && majorOf(tool.version) >= needed) ?? others.pgRestore,
		pgDump: dumps.find(tool => tool && majorOf(tool.version) >= majorOf(serverVersion)),
	};
}

function versionOf(text: string | undefined): number {
	return text === undefined ? 0 : (parseVersion(`x ${text}`) ?? 0);
}
