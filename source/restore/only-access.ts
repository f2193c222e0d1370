/**
 * What a user without superuser rights lacks for `--only`: found in the plan, with the statements that grant it.
 */
import {display} from '../lib/display.js';
import type {ArchiveEntry} from '../postgres/archive-toc.js';
import {identifier, literal} from '../postgres/quote.js';
import type {Session} from '../postgres/session.js';
import {nameOf, statementsOfEntry, type Token} from '../postgres/sql-statements.js';
import type {Finding} from './restore-plan.js';

/** A right that is missing. */
type Lack = {readonly role: string; readonly what: string; readonly grant: string};

type Access = {
	readonly database: string;
	/** The role that creates the objects. */
	readonly role: string;
	/** They also get their own owners. */
	readonly owners: boolean;
};

function finding(database: string, {role, what, grant}: Lack): Finding {
	return {
		severity: 'stop',
		code: 'TARGET_LACKS',
		database,
		text: `${display(role)} may not ${display(what)}`,
		hint: display(`run in the database, as a superuser or its owner: ${grant}`),
	};
}

/** Returns what a role lacks to read the definitions of all tables with pg_dump. */
export async function readingFindings(session: Session, {database, role}: Access): Promise<readonly Finding[]> {
	// What LOCK TABLE … IN ACCESS SHARE MODE needs.
	const rights = session.serverVersion >= 160_000 ? 'SELECT, UPDATE, DELETE, TRUNCATE' : 'SELECT';
	const rows = await session.query(
		`select n.nspname, pg_catalog.has_schema_privilege(${literal(role)}, n.oid, 'USAGE')
		from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
		and not exists (select from pg_catalog.pg_depend d
			where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
		group by n.oid, n.nspname having not pg_catalog.has_schema_privilege(${literal(role)}, n.oid, 'USAGE')
			or not pg_catalog.bool_and(pg_catalog.has_table_privilege(${literal(role)}, c.oid, '${rights}')) order by 1`,
	);
	return rows.map(([schema, usage]) => {
		const [on, to] = [identifier(schema ?? ''), identifier(role)];
		const read = `GRANT SELECT ON ALL TABLES IN SCHEMA ${on} TO ${to}`;
		return finding(database, {
			role,
			what: `read the tables of the schema ${schema ?? ''}, to see what exists`,
			grant: usage === 't' ? read : `GRANT USAGE ON SCHEMA ${on} TO ${to}; ${read}`,
		});
	});
}

/** Returns what the roles lack to create the entries. */
export async function creatingFindings(
	session: Session,
	entries: readonly ArchiveEntry[],
	access: Access,
): Promise<readonly Finding[]> {
	const {database, role} = access;
	const created = new Set(entries.filter(({kind}) => kind === 'SCHEMA').map(({tag}) => tag));
	const lacks = await schemaLacks(
		session,
		// A foreign key of an existing table creates nothing in its schema.
		entries.filter(({kind, schema}) => kind !== 'FK CONSTRAINT' && schema !== undefined && !created.has(schema)),
		access,
	);
	if (created.size > 0) {
		const [[may] = []] = await session.query(
			`select pg_catalog.has_database_privilege(${literal(role)}, pg_catalog.current_database(), 'CREATE')`,
		);
		const grant = `GRANT CREATE ON DATABASE ${identifier(session.database)} TO ${identifier(role)}`;
		if (may !== 't') lacks.push({role, what: `create schemas in ${session.database}`, grant});
	}
	lacks.push(...(await relationLacks(session, entries, role)));
	return lacks.map(lack => finding(database, lack));
}

async function schemaLacks(
	session: Session,
	entries: readonly ArchiveEntry[],
	{role, owners}: Access,
): Promise<Lack[]> {
	const needed = new Map<string, {schema: string; role: string}>();
	for (const {schema = '', owner} of entries)
		for (const one of owners && owner !== '' ? [role, owner] : [role])
			needed.set(`${schema}\0${one}`, {schema, role: one});
	const lacks: Lack[] = [];
	for (const {schema, role: one} of needed.values()) {
		// An owner must be able to create objects there itself, but need not look them up.
		const rows = await session.query(
			`select right_ from pg_catalog.unnest(array['USAGE', 'CREATE']) right_, pg_catalog.pg_namespace n, pg_catalog.pg_roles r
			where n.nspname = ${literal(schema)} and r.rolname = ${literal(one)} ${one === role ? '' : "and right_ = 'CREATE'"}
			and not pg_catalog.has_schema_privilege(r.oid, n.oid, right_)`,
		);
		if (rows.length === 0) continue;
		const rights = rows.map(([right]) => right ?? '').join(', ');
		lacks.push({
			role: one,
			what: `create objects in the schema ${schema}`,
			grant: `GRANT ${rights} ON SCHEMA ${identifier(schema)} TO ${identifier(one)}`,
		});
	}
	return lacks;
}

/** Foreign keys need rights on the tables on both sides, if those exist already. */
async function relationLacks(session: Session, entries: readonly ArchiveEntry[], role: string): Promise<Lack[]> {
	const own = new Set(entries.filter(({kind}) => kind === 'TABLE').map(({schema, tag}) => key([schema ?? '', tag])));
	const lacks = new Map<string, Lack>();
	for (const entry of entries) {
		if (entry.kind !== 'FK CONSTRAINT') continue;
		const [tokens = []] = statementsOfEntry(entry.definition).map(statement => statement.tokens);
		const altered = namesAfter(tokens, 'ONLY') ?? namesAfter(tokens, 'TABLE');
		const referenced = namesAfter(tokens, 'REFERENCES');
		for (const [names, isAltered] of [
			[altered, true],
			[referenced, false],
		] as const) {
			if (!names || own.has(key(names))) continue;
			const table = names.map(identifier).join('.');
			const right = isAltered
				? `pg_catalog.pg_has_role(${literal(role)}, c.relowner, 'USAGE')`
				: `pg_catalog.has_table_privilege(${literal(role)}, c.oid, 'REFERENCES')`;
			const [[owner] = []] = await session.query(
				`select pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
				where n.nspname = ${literal(names[0] ?? '')} and c.relname = ${literal(names[1] ?? '')} and not ${right}`,
			);
			if (typeof owner !== 'string') continue;
			const grant = isAltered ? `GRANT ${identifier(owner)}` : `GRANT REFERENCES ON ${table}`;
			lacks.set(`${table} ${String(isAltered)}`, {
				role,
				what: isAltered
					? `change the table ${names.join('.')}, which gets its foreign key ${entry.tag} back`
					: `refer to the table ${names.join('.')}`,
				grant: `${grant} TO ${identifier(role)}`,
			});
		}
	}
	return [...lacks.values()];
}

function key(names: readonly string[]): string {
	return names.join('\0');
}

/** Returns the schema and the name after a word. */
function namesAfter(tokens: readonly Token[], word: string): readonly string[] | undefined {
	const at = tokens.findIndex(token => token.kind === 'word' && token.value === word);
	const [schema, dot, name] = [tokens[at + 1], tokens[at + 2], tokens[at + 3]];
	const [first, second] = [nameOf(schema), nameOf(name)];
	return at !== -1 && dot?.value === '.' && first !== undefined && second !== undefined ? [first, second] : undefined;
}
