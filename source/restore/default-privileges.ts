/**
 * Default privileges of a live database while objects are brought back into it: the objects get the privileges of the
 * dump, which are relative to those of an object that was created without any. Both statements belong to one transaction.
 */
import type {RestoreTarget} from './restore-target.js';

/** Returns whether a database has any: the statements need PL/pgSQL, which it may lack. */
export async function hasDefaultPrivileges(
	{open}: Pick<RestoreTarget, 'open'>,
	database: string,
	signal: AbortSignal,
): Promise<boolean> {
	const session = await open(database, signal);
	try {
		return (await session.query('select 1 from pg_catalog.pg_default_acl limit 1')).length > 0;
	} finally {
		await session.close();
	}
}

/** Sets the default privileges of the current user aside. Their statements are in a setting of the transaction. */
export const setDefaultPrivilegesAside = `do $pg_back$
declare
	one record; acl record; command text; undo text := '';
begin
	for one in
		select d.defaclacl, n.nspname, r.oid as owner, r.rolname,
			case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end as type,
			case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
				when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end as kind
		from pg_catalog.pg_default_acl d join pg_catalog.pg_roles r on r.oid = d.defaclrole
		left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
		where r.rolname = current_user
	loop
		command := pg_catalog.format('alter default privileges for role %I %s', one.rolname,
			case when one.nspname is not null then pg_catalog.format('in schema %I', one.nspname) else '' end);
		for acl in
			select distinct case a.grantee when 0 then 'public' else pg_catalog.quote_ident(r.rolname) end as who
			from pg_catalog.aclexplode(one.defaclacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee
			where a.grantee = 0 or r.oid is not null
		loop
			execute pg_catalog.format('%s revoke all on %s from %s', command, one.kind, acl.who);
		end loop;
		-- Those of all schemas replace the built-in ones, which the owner and PUBLIC have.
		if one.nspname is null then
			undo := undo || pg_catalog.format('%s revoke all on %s from %I, public;', command, one.kind, one.rolname);
			for acl in
				select case a.grantee when 0 then 'public' else pg_catalog.quote_ident(one.rolname) end as who, a.privilege_type
				from pg_catalog.aclexplode(pg_catalog.acldefault(one.type, one.owner)) a
			loop
				execute pg_catalog.format('%s grant %s on %s to %s', command, acl.privilege_type, one.kind, acl.who);
			end loop;
		end if;
		for acl in
			select case a.grantee when 0 then 'public' else pg_catalog.quote_ident(r.rolname) end as who, a.privilege_type,
				case when a.is_grantable then ' with grant option' else '' end as more
			from pg_catalog.aclexplode(one.defaclacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee
			where a.grantee = 0 or r.oid is not null
		loop
			undo := undo || pg_catalog.format('%s grant %s on %s to %s%s;', command, acl.privilege_type, one.kind, acl.who, acl.more);
		end loop;
	end loop;
	perform pg_catalog.set_config('pg_back.default_privileges', undo, true);
end $pg_back$`;

/** Gives them back. */
export const restoreDefaultPrivileges = `do $pg_back$
begin
	if pg_catalog.current_setting('pg_back.default_privileges') <> '' then
		execute pg_catalog.current_setting('pg_back.default_privileges');
	end if;
end $pg_back$`;
