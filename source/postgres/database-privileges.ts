import {identifier, literal} from './quote.js';
import type {Session} from './session.js';

/** The privileges that one grantor gave to one grantee, mapped to the grant option. `grantee` is null for PUBLIC. */
type Entry = {readonly grantor: string; readonly grantee: string | null; readonly privileges: Map<string, boolean>};

/** Returns the statements that restore datacl on a new database; none when it was never changed. */
export async function databasePrivileges(session: Session, name: string): Promise<{text: string; warnings: string[]}> {
	const [first] = await session.query(`select r.rolname, d.datacl is null
		from pg_catalog.pg_database d left join pg_catalog.pg_roles r on r.oid = d.datdba
		where d.datname = ${literal(name)}`);
	if (!first || first[1] === 't') return {text: '', warnings: []};
	const owner = first[0] ?? '';
	// Without LATERAL, which servers before 9.3 do not support.
	const acl = `select pg_catalog.aclexplode(datacl) as acl from pg_catalog.pg_database where datname = ${literal(name)}`;
	const rows =
		await session.query(`select g.rolname, (d.acl).grantee = 0, r.rolname, (d.acl).privilege_type, (d.acl).is_grantable
		from (${acl}) d
			left join pg_catalog.pg_roles g on g.oid = (d.acl).grantor
			left join pg_catalog.pg_roles r on r.oid = (d.acl).grantee`);
	const warnings: string[] = [];
	const entries: Entry[] = [];
	for (const [grantor, isPublic, grantee, privilege, grantable] of rows) {
		if (grantor == null || (isPublic !== 't' && grantee == null)) {
			warnings.push(`a privilege on database ${name} by or for a role that does not exist any more is not dumped`);
			continue;
		}
		const to = isPublic === 't' ? null : (grantee ?? null);
		let entry = entries.find(one => one.grantor === grantor && one.grantee === to);
		if (!entry) entries.push((entry = {grantor, grantee: to, privileges: new Map()}));
		entry.privileges.set(privilege ?? '', grantable === 't');
	}
	const database = identifier(name);
	const lines = [
		...revokes(database, owner, entries),
		...entries.filter(entry => !isDefault(entry, owner)).flatMap(entry => grants(database, owner, entry)),
	];
	if (lines.length === 0) return {text: '', warnings};
	return {
		text: `--\n-- Database privileges \n--\n\n${lines.map(line => `${line}\n`).join('')}\n`,
		warnings: [...new Set(warnings)],
	};
}

/** Returns REVOKE statements for default privileges of a new database that this one does not grant. */
function revokes(database: string, owner: string, entries: readonly Entry[]): string[] {
	const byOwner = entries.filter(entry => entry.grantor === owner);
	const forPublic = byOwner.find(entry => entry.grantee === null);
	const forOwner = byOwner.find(entry => entry.grantee === owner);
	const lines: string[] = [];
	if (!forPublic) lines.push(`REVOKE CONNECT, TEMPORARY ON DATABASE ${database} FROM PUBLIC;`);
	else if (!isDefault(forPublic, owner)) lines.push(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC;`);
	if (!forOwner || !isDefault(forOwner, owner))
		lines.push(`REVOKE ALL ON DATABASE ${database} FROM ${identifier(owner)};`);
	return lines;
}

/** Returns true for defaults of every new database: TEMPORARY and CONNECT for PUBLIC, everything for the owner. */
function isDefault({grantor, grantee, privileges}: Entry, owner: string): boolean {
	if (grantor !== owner || (grantee !== null && grantee !== owner)) return false;
	const expected = grantee === null ? ['CONNECT', 'TEMPORARY'] : ['CONNECT', 'CREATE', 'TEMPORARY'];
	return privileges.size === expected.length && expected.every(privilege => privileges.get(privilege) === false);
}

function grants(database: string, owner: string, {grantor, grantee, privileges}: Entry): string[] {
	const to = grantee === null ? 'PUBLIC' : identifier(grantee);
	const lines = [...privileges].map(
		([privilege, grantable]) =>
			`GRANT ${privilege} ON DATABASE ${database} TO ${to}${grantable ? ' WITH GRANT OPTION' : ''};`,
	);
	return grantor === owner
		? lines
		: [`SET SESSION AUTHORIZATION ${identifier(grantor)};`, ...lines, 'RESET SESSION AUTHORIZATION;'];
}
