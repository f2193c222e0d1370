/** Leftovers of a killed drill in a server that others use: databases with hidden names, and roles with a comment. */
import {messageOf} from '../core/errors.js';
import {display} from '../lib/display.js';
import {identifier} from '../postgres/quote.js';
import type {RunContext} from '../runs/context.js';
import {isOurs, type Removed} from './leftovers.js';
import {drillLock, ifFree, takeLock} from './restore-locks.js';
import {dropOwnDatabase, type RestoreTarget} from './restore-target.js';

const hidden = /\.pgbk-drill-(\w{4,20})$/;

/** Returns the comment of roles that a drill creates in a given server. */
export function roleMark(tag: string): string {
	return `created by pg_back drill ${tag}, dropped at its end`;
}

/** Takes the lock of this drill, and removes leftovers of killed drills from a given server. */
export async function sweepGivenServer(run: Pick<RunContext, 'emit' | 'signal' | 'tag'>, target: Given): Promise<void> {
	await takeLock(target.session, drillLock(run.tag));
	await removeLeftDrills(run, target);
}

type Given = Pick<RestoreTarget, 'session' | 'maintenance' | 'open'>;

/** Removes databases and roles of killed drills, with our form of name and comment. A failure causes a warning. */
export async function removeLeftDrills(
	run: Pick<RunContext, 'emit' | 'signal' | 'tag'>,
	target: Given,
): Promise<{readonly databases: Removed; readonly roles: Removed}> {
	const {session} = target;
	const databases = {dropped: 0, failed: 0};
	const roles = {dropped: 0, failed: 0};
	const found = await session.query(
		`select datname, pg_catalog.shobj_description(oid, 'pg_database') from pg_catalog.pg_database
		where datname ~ '\\.pgbk-drill-' and pg_catalog.pg_has_role(datdba, 'usage')`,
	);
	const tagOf = (name: string | null | undefined) => hidden.exec(name ?? '')?.[1];
	const marked = await session.query(
		`select rolname, pg_catalog.shobj_description(oid, 'pg_authid') from pg_catalog.pg_roles`,
	);
	const marks = marked.map(
		([, comment]) => /^created by pg_back drill (\w{4,20}), dropped at its end$/.exec(comment ?? '')?.[1],
	);
	const tags = new Set([...found.map(([name]) => tagOf(name)), ...marks].filter(tag => tag !== undefined));
	const drop = async (what: string, count: {dropped: number; failed: number}, act: () => Promise<boolean>) => {
		try {
			if (!(await act())) return;
			count.dropped++;
			run.emit({type: 'log', level: 'info', text: `dropped ${what}: left by a drill that was killed`});
		} catch (error) {
			run.signal.throwIfAborted();
			count.failed++;
			run.emit({
				type: 'log',
				level: 'warn',
				text: `cannot drop ${what}, left by a drill that was killed: ${messageOf(error)}`,
			});
		}
	};
	for (const tag of tags) {
		if (tag === run.tag) continue;
		await ifFree(session, drillLock(tag), async () => {
			for (const [name, comment] of found) {
				if (typeof name !== 'string' || tagOf(name) !== tag) continue;
				await drop(`database ${display(name)}`, databases, async () => {
					const isLeft = await isOurs(target, name, comment);
					if (isLeft) await dropOwnDatabase(target, name);
					return isLeft;
				});
			}
			for (const [role, comment] of marked) {
				if (comment !== roleMark(tag)) continue;
				const name = role ?? '';
				await drop(`role ${display(name)}`, roles, async () => {
					await session.query(`drop role ${identifier(name)}`);
					return true;
				});
			}
		});
	}
	return {databases, roles};
}
