/** What killed restores and drills left in the target server. */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {identifier, typeable} from '../postgres/quote.js';
import type {RunContext, RunResult, ServerContext, StoreContext} from '../runs/context.js';
import {resultOf} from '../runs/outcome.js';
import {removeLeftRoles} from './created-roles.js';
import {removeLeftDrills} from './drill-databases.js';
import {sweepRestoreDirectories} from './drill-directory.js';
import {isKept, type Removed, removeLeftDatabases} from './leftovers.js';
import {openRestoreTarget, type RestoreTarget} from './restore-target.js';

type Found = {readonly databases: number; readonly roles: number; readonly failed: number};

/** Removes what killed restores left, the databases before the roles that own them. A failure causes a warning. */
export async function removeLeftovers(
	run: Pick<RunContext, 'emit' | 'signal' | 'tag'>,
	target: RestoreTarget,
): Promise<Found> {
	const databases = await removeLeftDatabases(run, target);
	return sumOf(databases, await removeLeftRoles(run, target.session));
}

/** Runs `--cleanup-restores`. */
export async function cleanupRestores(run: StoreContext & ServerContext): Promise<RunResult> {
	await sweepRestoreDirectories(run);
	const target = await openRestoreTarget(run, new Set());
	try {
		const restores = await removeLeftovers(run, target);
		const drills = await removeLeftDrills(run, target);
		const databases = restores.databases + drills.databases.dropped;
		const roles = restores.roles + drills.roles.dropped;
		const failed = restores.failed + drills.databases.failed + drills.roles.failed;
		const dropped = [
			...(databases > 0 ? [plural(databases, 'database')] : []),
			...(roles > 0 ? [plural(roles, 'role')] : []),
		];
		for (const {name, comment = ''} of [...target.inventory.databases.values()].filter(isKept)) {
			const statement = typeable(`drop database ${identifier(name)};`);
			const text = `${display(name)} stays, ${display(comment.replace(/^pg_back: /, ''))}: ${statement} drops it`;
			run.emit({type: 'log', level: 'info', text});
		}
		if (dropped.length > 0) run.emit({type: 'log', level: 'info', text: `dropped ${dropped.join(' and ')}`});
		else if (failed === 0)
			run.emit({type: 'log', level: 'info', text: `there is nothing to clean up at ${target.label}`});
		if (failed === 0) return resultOf([], run.signal);
		const text = `${plural(failed, 'leftover')} of killed restores could not be removed from ${target.label}`;
		return resultOf([new PgBackError('FAILED', text, {hint: 'see the warnings above'})], run.signal);
	} finally {
		await target.close();
	}
}

function sumOf(databases: Removed, roles: Removed): Found {
	return {databases: databases.dropped, roles: roles.dropped, failed: databases.failed + roles.failed};
}
