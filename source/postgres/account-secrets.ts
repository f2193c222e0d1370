/** Copies the secret files of libpq for a psql that runs as another account than ours and could not read them. */
import {chown, mkdtemp, readFile, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {isSystemError} from '../core/errors.js';
import type {Account} from '../process/account.js';
import type {ChildConnection} from './connection.js';
import {formatKeywords, parseConnectionString} from './conninfo.js';

/** Each file is found as libpq does: by keyword, by environment, else by its place below the home directory. */
const files = [
	{keyword: 'passfile', variable: 'PGPASSFILE', path: '.pgpass'},
	{keyword: 'servicefile', variable: 'PGSERVICEFILE', path: '.pg_service.conf'},
	{keyword: 'sslcert', variable: 'PGSSLCERT', path: '.postgresql/postgresql.crt'},
	{keyword: 'sslkey', variable: 'PGSSLKEY', path: '.postgresql/postgresql.key'},
	{keyword: 'sslrootcert', variable: 'PGSSLROOTCERT', path: '.postgresql/root.crt'},
	{keyword: 'sslcrl', variable: 'PGSSLCRL', path: '.postgresql/root.crl'},
] as const;

export type AccountConnection = {
	readonly connection: ChildConnection;
	/** Removes the copies. */
	readonly dispose: () => Promise<void>;
};

/** Returns `connection` for a child that runs as `account`, with copies of the files that it names. The caller disposes of it. */
export async function connectionAs(
	account: Account | undefined,
	connection: ChildConnection,
): Promise<AccountConnection> {
	if (!account) return {connection, dispose: () => Promise.resolve()};
	const directory = await mkdtemp(join(connection.env['TMPDIR'] || tmpdir(), 'pg_back-psql-'));
	const dispose = () => rm(directory, {recursive: true, force: true});
	try {
		await chown(directory, account.uid, account.gid);
		const [flag, text] = connection.args;
		const parameters: Record<string, string | undefined> =
			flag === '-d' && text !== undefined ? {...parseConnectionString(text)} : {};
		const env: Record<string, string> = {...connection.env, HOME: directory};
		for (const {keyword, variable, path} of files) {
			const named = parameters[keyword] || connection.env[variable];
			const home = connection.env['HOME'];
			const source = named ?? (home === undefined ? undefined : join(home, path));
			if (source === undefined || !source.startsWith('/')) continue; // `system`
			const stats = await stat(source).catch(() => undefined); // libpq reports a missing one if it needs it
			if (stats?.isFile() !== true) continue; // reading a pipe may never end
			const content = await readFile(source).catch((error: unknown) => {
				if (isSystemError(error)) return undefined; // libpq reports it if it needs the file
				throw error;
			});
			if (content === undefined) continue;
			const copy = join(directory, keyword);
			await writeFile(copy, content, {mode: 0o600, flag: 'wx'});
			await chown(copy, account.uid, account.gid);
			if (parameters[keyword]) parameters[keyword] = copy;
			else env[variable] = copy;
		}
		const args = flag === '-d' && text !== undefined ? ['-d', formatKeywords(parameters)] : connection.args;
		return {connection: {...connection, args, env}, dispose};
	} catch (error) {
		await dispose();
		throw error;
	}
}
