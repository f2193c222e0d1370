/**
 * Creates `createdb.sql`: properties of the database that a dump by pg_dump older than 11, or a plain one, does not
 * contain.
 */
import {PgBackError} from '../core/errors.js';
import {databasePrivileges} from './database-privileges.js';
import {databaseSettings} from './database-settings.js';
import {identifier, literal} from './quote.js';
import type {Row, Session} from './session.js';

export type DatabaseScript = {
	/** Empty when nothing is needed. */
	readonly text: string;
	readonly warnings: readonly string[];
};

/**
 * Returns creation, comment, privileges and settings of the database `name`, for psql connected to another database.
 * Throws PgBackError DATABASE_GONE when it no longer exists.
 */
export async function createDatabaseScript(session: Session, name: string): Promise<DatabaseScript> {
	if (session.serverVersion < 90_000) {
		return {text: '', warnings: ['the server is older than 9.0: privileges and settings of databases are not dumped']};
	}
	const creation = await databaseCreation(session, name);
	const privileges = await databasePrivileges(session, name);
	const settings = await databaseSettings(session, name);
	return {text: creation + privileges.text + settings, warnings: privileges.warnings};
}

/** Compares the name as the session has read it: its bytes may not be those that clients connect with. */
export async function hasDatabase(session: Session, name: string): Promise<boolean> {
	const rows = await session.query('select datname from pg_catalog.pg_database');
	return rows.some(([there]) => there === name);
}

async function databaseCreation(session: Session, name: string): Promise<string> {
	const version = session.serverVersion;
	const locale = version >= 170_000 ? 'd.datlocale' : version >= 150_000 ? 'd.daticulocale' : 'null';
	const [row] = await session.query(`select coalesce(r.rolname, z.rolname), pg_catalog.pg_encoding_to_char(d.encoding),
			d.datcollate, d.datctype, t.spcname, d.datconnlimit, d.datistemplate,
			${version >= 150_000 ? 'd.datlocprovider, t0.datlocprovider' : "'c', 'c'"}, ${locale},
			${version >= 160_000 ? 'd.daticurules' : 'null'},
			pg_catalog.shobj_description(d.oid, 'pg_database')
		from pg_catalog.pg_database d
			left join pg_catalog.pg_roles r on r.oid = d.datdba
			left join pg_catalog.pg_tablespace t on t.oid = d.dattablespace
			left join pg_catalog.pg_database t0 on t0.datname = 'template0'
			left join pg_catalog.pg_roles z on z.oid = t0.datdba
		where d.datname = ${literal(name)}`);
	if (!row) throw new PgBackError('DATABASE_GONE', 'the database does not exist any more');
	if (name === 'template0') return '';
	const isTemplate = row[6] === 't';
	const comment = row[11] ?? null;
	return [
		`--\n-- Database creation\n--\n\n`,
		`CREATE DATABASE ${identifier(name)} WITH ${creationOptions(row)};\n\n`,
		isTemplate ? `UPDATE pg_catalog.pg_database SET datistemplate = 't' WHERE datname = ${literal(name)};\n\n` : '',
		comment === null ? '' : `COMMENT ON DATABASE ${identifier(name)} IS ${literal(comment)};\n\n`,
	].join('');
}

const providers: Readonly<Record<string, string>> = {b: 'builtin', c: 'libc', i: 'icu'};

function creationOptions(row: Row): string {
	const [owner, encoding, collate, ctype, tablespace, limit, , provider, templateProvider, locale, icuRules] = row;
	const options = ['TEMPLATE = template0'];
	if (owner != null) options.push(`OWNER = ${identifier(owner)}`);
	options.push(
		`ENCODING = ${literal(encoding ?? '')}`,
		`LC_COLLATE = ${literal(collate ?? '')}`,
		`LC_CTYPE = ${literal(ctype ?? '')}`,
	);
	// libc is usually the provider of template0; without the clause the script works on every server version.
	if (provider !== 'c' || templateProvider !== 'c')
		options.push(`LOCALE_PROVIDER = ${providers[provider ?? ''] ?? provider ?? ''}`);
	if (locale != null) options.push(`${provider === 'b' ? 'BUILTIN_LOCALE' : 'ICU_LOCALE'} = ${literal(locale)}`);
	if (icuRules != null) options.push(`ICU_RULES = ${literal(icuRules)}`);
	if (tablespace != null && tablespace !== 'pg_default') options.push(`TABLESPACE = ${identifier(tablespace)}`);
	if (limit != null && limit !== '-1') options.push(`CONNECTION LIMIT = ${limit}`);
	return options.join(' ');
}
