/** Inspects the target server for the console. Changes nothing. */
import {PgBackError} from '../core/errors.js';
import type {TargetServer, TargetView} from '../core/restore-handle.js';
import {display} from '../lib/display.js';
import type {RunContext, ServerContext} from '../runs/context.js';
import {isKept} from './leftovers.js';
import {dropOwnDatabase, openRestoreTarget} from './restore-target.js';

/** Rejects with CONNECTION and similar errors. */
export async function inspectTarget(run: ServerContext, server: TargetServer): Promise<TargetView> {
	const target = await openRestoreTarget(atServer(run, server), new Set());
	try {
		const {label, inventory} = target;
		const databases = [...inventory.databases.values()];
		return {
			label,
			version: inventory.versionText,
			systemIdentifier: inventory.systemIdentifier,
			user: inventory.user,
			superuser: inventory.superuser,
			databases: databases.map(({name, size, sessions}) => ({name, size, sessions})),
			roles: [...inventory.roles.keys()],
			kept: databases.filter(isKept).map(({name}) => name),
		};
	} finally {
		await target.close();
	}
}

/** Drops only databases with our form of name and our comment. Throws USAGE for any other database. */
export async function dropKept(run: ServerContext, server: TargetServer, name: string): Promise<void> {
	const target = await openRestoreTarget(atServer(run, server), new Set());
	try {
		const database = target.inventory.databases.get(name);
		if (database === undefined || !isKept(database))
			throw new PgBackError('USAGE', `${display(name)} is not a database that a failed restore kept`);
		await dropOwnDatabase(target, name);
		run.emit({type: 'log', level: 'info', text: `dropped ${display(name)}, which a failed restore had kept`});
	} finally {
		await target.close();
	}
}

export function atServer<Context extends Pick<RunContext, 'configuration'>>(
	run: Context,
	server: TargetServer,
): Context {
	const {configuration} = run;
	return {...run, configuration: {...configuration, settings: {...configuration.settings, ...server}}};
}
