import {identifier, literal} from './quote.js';
import type {Session} from './session.js';

/**
 * Returns ALTER DATABASE ... SET and ALTER ROLE ... IN DATABASE ... SET of one database, sorted by role, then in the
 * order of setting, so that the restored catalog equals the original.
 */
export async function databaseSettings(session: Session, name: string): Promise<string> {
	const rows = await session.query(`select r.rolname, s.settings[s.place]
		from (select c.setrole, c.setconfig as settings, pg_catalog.generate_subscripts(c.setconfig, 1) as place
				from pg_catalog.pg_database d join pg_catalog.pg_db_role_setting c on c.setdatabase = d.oid
				where d.datname = ${literal(name)}) s
			left join pg_catalog.pg_roles r on r.oid = s.setrole
		where s.setrole = 0 or r.oid is not null
		order by r.rolname, s.place`);
	const lines = rows.map(([role, setting]) => {
		const [, variable = '', value = ''] = /^([^=]*)=([^]*)$/.exec(setting ?? '') ?? [];
		const whose =
			role == null ? `DATABASE ${identifier(name)}` : `ROLE ${identifier(role)} IN DATABASE ${identifier(name)}`;
		return `ALTER ${whose} SET ${identifier(variable)} TO ${settingLiteral(variable, value)};\n`;
	});
	return lines.join('');
}

/** Lists of names that the server stores quoted (GUC_LIST_QUOTE; pg_dump's variable_is_guc_list_quote()). */
const quotedLists = new Set([
	'local_preload_libraries',
	'search_path',
	'session_preload_libraries',
	'shared_preload_libraries',
	'temp_tablespaces',
	'unix_socket_directories',
]);

/** Returns the value after `SET name TO`: one literal, or one for each name of a list of names. */
export function settingLiteral(variable: string, value: string): string {
	if (!quotedLists.has(variable.toLowerCase())) return literal(value);
	const names = [...value.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^",]+))\s*(?:,|$)/g)].map(
		([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare?.trim() ?? '',
	);
	return names.length === 0 ? literal(value) : names.map(literal).join(', ');
}
