/** `--check-config=connect`: tries everything that a backup will need, and leaves nothing behind. */
import {access, constants} from 'node:fs/promises';
import {dirname} from 'node:path';
import {messageOf, PgBackError, toPgBackError} from '../core/errors.js';
import {listDatabases, serverInfo} from '../postgres/catalog.js';
import {openSession} from '../postgres/session.js';
import {findPsql, findTools} from '../postgres/tools.js';
import {formatVersion} from '../postgres/versions.js';
import {lstatIfThere} from '../lib/files.js';
import {plural} from '../lib/format.js';
import type {RunContext, RunResult} from './context.js';
import {resultOf} from './outcome.js';
import {findOptions, prepare} from './prepare.js';
import {downloadBase, impatient, openRemote, type Store} from './remote.js';
import {once} from '../lib/once.js';

/** Every check is made, whatever the others came to. */
export async function checkConnections(run: RunContext): Promise<RunResult> {
	const {upload, backupDirectory} = run.configuration.settings;
	const checks: (readonly [string, () => Promise<string>])[] = [
		['server', () => checkServer(run)],
		['backup directory', () => checkDirectory(downloadBase(backupDirectory))],
		...(upload === 'none' ? [] : [[`remote location ${upload}`, () => checkRemote(run, upload)] as const]),
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

async function checkServer(run: RunContext): Promise<string> {
	const {connection} = await prepare(run);
	try {
		const psql = await findPsql(findOptions(run));
		const session = await openSession({psql: psql.path, connection, signal: run.signal});
		try {
			const server = await serverInfo(session);
			const {pgDump, warning} = await findTools({...findOptions(run), serverVersion: server.versionNumber});
			if (warning !== undefined) run.emit({type: 'log', level: 'warn', text: warning});
			const databases = await listDatabases(session, {sizes: false});
			return `PostgreSQL ${server.version} at ${server.host}:${server.port} as ${server.user}, ${plural(databases.length, 'database')}, pg_dump ${formatVersion(pgDump.version)}`;
		} finally {
			await session.close();
		}
	} finally {
		await connection.dispose();
	}
}

async function checkDirectory(path: string): Promise<string> {
	// What is not there yet will be made in the nearest directory that is.
	let existing = path;
	while ((await lstatIfThere(existing)) === undefined && dirname(existing) !== existing) existing = dirname(existing);
	await access(existing, constants.W_OK | constants.X_OK);
	return existing === path ? `${path} can be written` : `${path} will be made in ${existing}`;
}

/** Writes, reads, lists and deletes a small object. Without the right to delete, a backup that does not purge there works. */
async function checkRemote(run: RunContext, store: Store): Promise<string> {
	const remote = await openRemote(run, store, impatient);
	const {storage, prefix, location} = remote;
	const key = `${prefix}pg_back_probe_${run.tag}`;
	const content = Buffer.from(run.runId);
	const {signal} = run;
	let kept: Error | undefined;
	try {
		await storage.put(key, {size: content.length, read: offset => once(content.subarray(offset))}, {signal});
		try {
			const chunks: Uint8Array[] = [];
			for await (const chunk of storage.get(key, {signal})) chunks.push(Buffer.from(chunk));
			if (!Buffer.concat(chunks).equals(content))
				throw new PgBackError('STORAGE', `${location} gave other bytes back than it was given`);
			const keys: string[] = [];
			for await (const object of storage.list(key, {signal})) keys.push(object.key);
			if (!keys.includes(key)) throw new PgBackError('STORAGE', `${location} does not list what was just written`);
		} finally {
			kept = (await storage.remove([key], {signal}))[0]?.error;
		}
	} finally {
		await remote.close();
	}
	if (!kept) return `${location} can be written, read, listed and purged`;
	if (run.configuration.settings.purgeRemote) throw kept;
	run.emit({
		type: 'log',
		level: 'warn',
		text: `${messageOf(kept)}: purge_remote needs that right, and the probe stays`,
	});
	return `${location} can be written, read and listed`;
}
