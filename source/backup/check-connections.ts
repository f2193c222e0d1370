/** `--check-config=connect`: tries everything that a backup needs, and leaves nothing behind. */
import {resolve} from 'node:path';
import {messageOf, PgBackError, toPgBackError} from '../core/errors.js';
import {plural} from '../lib/format.js';
import {once} from '../lib/single-chunk.js';
import {listDatabases, serverInfo} from '../postgres/catalog.js';
import {openSession, type Session} from '../postgres/session.js';
import {findPsql, findTools} from '../postgres/tools.js';
import {formatVersion} from '../postgres/versions.js';
import {openRemote, type Remote, shortRetries, type Store} from '../repository/remote.js';
import {downloadBase} from '../repository/remote-keys.js';
import {checkSharedDirectory} from '../repository/shared-directory.js';
import type {RunIdentity, RunResult, SecretContext, ServerContext, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {findOptions, prepare} from '../runs/prepare-backup.js';
import {lockReport} from '../runs/run-locks.js';
import type {RemoveResult} from '../storage/storage.js';
import {directoryProblem, nearestExisting} from './backup-directory.js';

/** Makes every check, regardless of the results of the others. */
export async function checkConnections(run: ServerContext & SecretContext & RunIdentity): Promise<RunResult> {
	const {upload, backupDirectory} = run.configuration.settings;
	const checks: (readonly [string, () => Promise<string>])[] = [
		['server', () => checkServer(run)],
		['backup directory', () => checkDirectory(run, downloadBase(backupDirectory))],
		...upload.map(store => [`remote location ${store}`, () => checkRemote(run, store)] as const),
	];
	const failures: PgBackError[] = [];
	for (const [what, check] of checks) {
		try {
			run.emit({type: 'log', level: 'info', text: `${what}: ${await check()}`});
		} catch (error) {
			const failure = toPgBackError(error);
			failures.push(failure);
			run.emit({type: 'log', level: 'error', text: `${what}: ${failure.message}`});
		}
	}
	return resultOf(failures, run.signal);
}

/** Logs in and returns server, user and pg_dump, for people. Throws CONNECTION, TOOLS. */
export async function checkServer(run: ServerContext & SecretContext): Promise<string> {
	return withSession(run, async session => {
		const server = await serverInfo(session);
		const {pgDump, warning} = await findTools({...findOptions(run), serverVersion: server.versionNumber});
		if (warning !== undefined) run.emit({type: 'log', level: 'warn', text: warning});
		const databases = await listDatabases(session, {sizes: false});
		return `PostgreSQL ${server.version} at ${server.host}:${server.port} as ${server.user}, ${plural(databases.length, 'database')}, pg_dump ${formatVersion(pgDump.version)}`;
	});
}

/** Calls `use` with a session to the configured database. Throws CONFIG, CONNECTION, TOOLS, and what `use` throws. */
export async function withSession<T>(
	run: ServerContext & SecretContext,
	use: (session: Session) => Promise<T>,
): Promise<T> {
	const {connection} = await prepare(run);
	try {
		const psql = await findPsql(findOptions(run));
		const session = await openSession({psql: psql.path, connection, signal: run.signal});
		try {
			return await use(session);
		} finally {
			await session.close();
		}
	} finally {
		await connection.dispose();
	}
}

/** Returns that the directory is writable, or will be created, for people. Throws FILE_SYSTEM or CONFIG. */
export async function checkDirectory(run: StoreContext, path: string): Promise<string> {
	const problem = await directoryProblem(path);
	if (problem) throw problem;
	await checkSharedDirectory(run);
	for (const text of await lockReport(path, run.env)) run.emit({type: 'log', level: 'warn', text});
	const existing = await nearestExisting(path);
	return existing === resolve(path) ? `${path} is writable` : `${path} will be created in ${existing}`;
}

/** Returns the proxy and the certificates by which an HTTP remote was reached. */
function routeOf(remote: Remote): string {
	const proxies = remote.proxies();
	const sources = remote.certificateSources();
	const trusted = sources === undefined ? '' : `, trusting the certificates of ${['Node.js', ...sources].join(', ')}`;
	return `${proxies.length > 0 ? ` through the proxy ${proxies.join(', ')}` : ''}${trusted}`;
}

/**
 * Writes, reads, lists and deletes a small object. Without the permission to delete, a backup that does not purge there
 * works.
 */
export async function checkRemote(run: StoreContext & RunIdentity, store: Store): Promise<string> {
	const remote = await openRemote(run, store, shortRetries);
	const {storage, prefix, location} = remote;
	const key = `${prefix}pg_back_probe_${run.tag}`;
	const content = Buffer.from(run.runId);
	const {signal} = run;
	let removal: RemoveResult | undefined;
	try {
		await storage.put(key, {size: content.length, read: offset => once(content.subarray(offset))}, {signal});
		try {
			const chunks: Uint8Array[] = [];
			for await (const chunk of storage.get(key, {signal})) chunks.push(Buffer.from(chunk));
			if (!Buffer.concat(chunks).equals(content))
				throw new PgBackError('STORAGE', `${location} returned different data than was written to it`);
			const keys: string[] = [];
			for await (const object of storage.list(key, {signal})) keys.push(object.key);
			if (!keys.includes(key)) throw new PgBackError('STORAGE', `${location} does not list what was just written`);
		} finally {
			removal = (await storage.remove([key], {signal}))[0];
		}
	} finally {
		await remote.close();
	}
	const via = routeOf(remote);
	if (removal?.kept !== undefined)
		return `${location} can be written, read and listed${via}; the probe ${key} is kept: ${removal.kept}`;
	if (!removal?.error) return `${location} can be written, read, listed and purged${via}`;
	if (run.configuration.settings.purgeRemote) throw removal.error;
	run.emit({
		type: 'log',
		level: 'warn',
		text: `${messageOf(removal.error)}: purge_remote needs permission to delete; the probe file is left there`,
	});
	return `${location} can be written, read and listed${via}`;
}
