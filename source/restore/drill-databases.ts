/** Leftovers of a killed drill in a server that others use: databases with hidden names, and roles with a comment. */
import {createHash} from 'node:crypto';
import {identifier} from '../postgres/quote.js';
import type {Session} from '../postgres/session.js';
import type {RunContext} from '../runs/context.js';
import {dropOwnDatabase, type RestoreTarget} from './restore-target.js';

const hidden = /\.pgbk-drill-(\w{4,20})$/;

/** Returns the comment of roles that a drill creates in a given server. */
export function roleMark(tag: string): string {
	return `created by pg_back drill ${tag}, dropped at its end`;
}

/**
 * Takes a lock for the life of the drill, so that the next one can detect leftovers of a killed one. Returns false when
 * another drill holds it.
 */
async function lockTag(session: Session, tag: string): Promise<boolean> {
	const key = createHash('sha256').update(`pg_back drill ${tag}`).digest().readInt32BE();
	const [[taken] = []] = await session.query(`select pg_catalog.pg_try_advisory_lock(1885823588, ${key})`);
	return taken === 't';
}

/**
 * Takes the lock of this drill, and removes leftovers of killed drills from a given server: those with our form of name
 * and comment.
 */
export async function sweepGivenServer(
	run: RunContext,
	target: Pick<RestoreTarget, 'session' | 'open'>,
): Promise<void> {
	const {session} = target;
	await lockTag(session, run.tag);
	const databases = (await session.query('select datname from pg_catalog.pg_database')).map(([name]) => name ?? '');
	const roles = await session.query(
		`select rolname, pg_catalog.shobj_description(oid, 'pg_authid') from pg_catalog.pg_roles`,
	);
	const marks = roles.map(
		([, comment]) => /^created by pg_back drill (\w{4,20}), dropped at its end$/.exec(comment ?? '')?.[1],
	);
	const tags = new Set([...databases.map(name => hidden.exec(name)?.[1]), ...marks].filter(tag => tag !== undefined));
	for (const tag of tags) {
		if (tag === run.tag || !(await lockTag(session, tag))) continue;
		for (const name of databases.filter(one => hidden.exec(one)?.[1] === tag)) {
			await dropOwnDatabase(target, name);
			run.emit({type: 'log', level: 'info', text: `dropped database ${name}: left by a drill that was killed`});
		}
		for (const [role, comment] of roles) {
			if (comment !== roleMark(tag)) continue;
			await session.query(`drop role ${identifier(role ?? '')}`);
			run.emit({type: 'log', level: 'info', text: `dropped role ${role ?? ''}: left by a drill that was killed`});
		}
	}
}
