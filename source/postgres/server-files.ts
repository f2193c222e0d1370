/**
 * Saves the configuration of the server as files. A missing privilege causes a warning that names it, never an error.
 */
import {encodeRaw} from '../lib/raw-text.js';
import {PostgresError, type Session} from './session.js';
import {formatVersion} from './versions.js';

export type ServerFile = {
	/** Undefined when there is nothing to write. */
	readonly content?: Uint8Array;
	readonly warning?: string;
};

/** Returns the settings of the configuration files, as lines for postgresql.conf. */
export async function readSettings(session: Session): Promise<ServerFile> {
	if (session.serverVersion < 80_400) {
		return {
			warning: `settings are not dumped: the server is ${formatVersion(session.serverVersion)}, 8.4 or newer is needed`,
		};
	}
	const all = session.serverVersion >= 90_500;
	const [[allowed = null] = []] = await session.query(
		all
			? `select pg_catalog.has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'execute')`
			: `select rolsuper from pg_catalog.pg_roles where rolname = current_user`,
	);
	if (allowed !== 't') {
		const right = all ? 'execute on function pg_show_all_file_settings()' : 'superuser';
		return {warning: `settings are not dumped: user ${session.user} lacks ${right}`};
	}
	return warnInstead('settings are not dumped', async () => {
		const rows = await session.query(
			all
				? `select name, setting from pg_catalog.pg_show_all_file_settings() where applied and setting is not null order by name`
				: `select name, setting from pg_catalog.pg_settings where sourcefile is not null order by name`,
		);
		const text = rows.map(([name, value]) => `${name ?? ''} = ${settingValue(value ?? '')}\n`).join('');
		return {
			...(text === '' ? {} : {content: encodeRaw(text)}),
			...(all ? {} : {warning: 'the server is older than 9.5: overridden settings are missing from the dump'}),
		};
	});
}

/** Formats a value for postgresql.conf: one quoted string on one line, also for lists. */
function settingValue(value: string): string {
	const escaped = value.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n').replaceAll('\r', '\\r');
	return `'${escaped}'`;
}

/** Returns pg_hba.conf or pg_ident.conf, after a line with its path. */
export async function readServerFile(session: Session, setting: 'hba_file' | 'ident_file'): Promise<ServerFile> {
	const failed = `${setting} is not dumped`;
	const [[path = null] = []] = await session.query(
		`select setting from pg_catalog.pg_settings where name = '${setting}'`,
	);
	if (path === null) return {warning: `${failed}: user ${session.user} lacks membership in pg_read_all_settings`};
	if (path === '') return {};
	const reader = await allowedReader(session);
	if (reader === undefined)
		return {warning: `${failed}: user ${session.user} lacks execute on function pg_read_binary_file(text)`};
	return warnInstead(failed, async () => {
		const [[encoded = null] = []] = await session.query(
			`select pg_catalog.encode(${reader}, 'base64') from pg_catalog.pg_settings where name = '${setting}'`,
		);
		const bytes = Buffer.from(encoded ?? '', 'base64');
		return bytes.length === 0
			? {}
			: {content: Buffer.concat([encodeRaw(`# path: ${path}\n`), bytes, Buffer.from('\n')])};
	});
}

/**
 * Returns an expression for the bytes of the file named by `setting`: a file may contain text that is invalid in the
 * server's encoding.
 */
async function allowedReader(session: Session): Promise<string | undefined> {
	if (session.serverVersion < 90_100) {
		return `pg_catalog.convert_to(pg_catalog.pg_read_file(setting, 0, (pg_catalog.pg_stat_file(setting)).size), 'SQL_ASCII')`;
	}
	const [[binary = null, text = null] = []] = await session.query(
		`select pg_catalog.has_function_privilege('pg_catalog.pg_read_binary_file(text)', 'execute'),
			pg_catalog.has_function_privilege('pg_catalog.pg_read_file(text)', 'execute')`,
	);
	if (binary === 't') return 'pg_catalog.pg_read_binary_file(setting)';
	return text === 't' ? `pg_catalog.convert_to(pg_catalog.pg_read_file(setting), 'UTF8')` : undefined;
}

/** Converts errors of the server to a warning: a missing privilege or a missing file is no reason to dump nothing. */
async function warnInstead(failed: string, read: () => Promise<ServerFile>): Promise<ServerFile> {
	try {
		return await read();
	} catch (error) {
		if (!(error instanceof PostgresError)) throw error;
		const right = error.sqlstate === '42501' ? ' (membership in pg_read_server_files is missing)' : '';
		return {warning: `${failed}: ${error.message}${right}`};
	}
}
