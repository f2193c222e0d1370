/** Checks the B-tree indexes of a restored database with the extension amcheck, which is removed afterwards. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {PostgresError, type Session} from '../postgres/session.js';

/** Returns the number of checked indexes. Throws CORRUPT for a broken one, TARGET_LACKS without amcheck. */
export async function checkIndexes(session: Session): Promise<number> {
	await session.query('begin');
	try {
		await disableEventTriggers(session);
		await createExtension(session);
		const rows = await session.query(
			`select c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname)
			from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
				join pg_catalog.pg_am a on a.oid = c.relam join pg_catalog.pg_namespace n on n.oid = c.relnamespace
			where a.amname = 'btree' and c.relkind = 'i' and c.relpersistence <> 't' and i.indisready and i.indisvalid
				and n.nspname <> 'pg_catalog' and n.nspname !~ '^pg_toast'`,
		);
		for (const [oid, name] of rows) {
			try {
				await session.query(`select public.bt_index_check(${oid ?? '0'}::pg_catalog.oid::pg_catalog.regclass)`, {
					timeout: 0,
				});
			} catch (error) {
				if (!(error instanceof PostgresError)) throw error;
				throw new PgBackError('CORRUPT', `index ${display(name ?? '')} is damaged: ${error.message}`, {cause: error});
			}
		}
		return rows.length;
	} finally {
		if (session.alive) await session.query('rollback');
	}
}

/**
 * Event triggers of the restored database may refuse the extension. Servers that have a setting for them get it with the
 * connection; before, this one disables most of them. Only a superuser may set it, and create the extension.
 */
async function disableEventTriggers(session: Session): Promise<void> {
	await session.query(
		`select pg_catalog.set_config('session_replication_role', 'replica', true) where pg_catalog.current_setting('is_superuser') = 'on'`,
	);
}

/** Creates it in public, which every database has; an existing extension is moved there temporarily. */
async function createExtension(session: Session): Promise<void> {
	try {
		await session.query('create schema if not exists public');
		await session.query('create extension if not exists amcheck schema public');
		await session.query('alter extension amcheck set schema public');
	} catch (error) {
		if (!(error instanceof PostgresError)) throw error;
		throw new PgBackError('TARGET_LACKS', `the indexes cannot be checked with amcheck: ${error.message}`, {
			cause: error,
			hint: 'install postgresql-contrib on the server and restore as a superuser, or leave out --amcheck',
		});
	}
}
