/** The plan as plain JSON: the output of `--dry-run --json`. Fields are only added. */
import {resolve} from 'node:path';
import type {Tool} from '../postgres/tools.js';
import {formatVersion} from '../postgres/versions.js';
import {type PlannedItem, printedItems} from '../retention/purge-plan.js';
import type {BackupPlan, PlacePurge, PlannedOutput, PlanProblem} from './plan.js';

export const planSchema = 1;

export type PlanObject = {
	readonly schema: typeof planSchema;
	/** ISO 8601, UTC. */
	readonly start: string;
	readonly server: {
		readonly version: string;
		readonly host: string;
		readonly port: string;
		readonly user: string;
		readonly standby: boolean;
	};
	/** Keyed by program: `pg_dump`, `pg_dumpall`. */
	readonly tools: Readonly<Record<string, {readonly path: string; readonly version: string}>>;
	/** The number of concurrent dumps. */
	readonly jobs: number;
	/** The remotes that the outputs are uploaded to, under the same key at each. */
	readonly places: readonly {
		/** The store. */
		readonly place: string;
		readonly location: string;
	}[];
	readonly outputs: readonly PlannedOutput[];
	readonly purge: readonly PurgeObject[];
	readonly warnings: readonly string[];
	readonly problems: readonly PlanProblem[];
};

export type PurgeObject = {
	/** `backup` for the backup directory, otherwise the store's name. */
	readonly place: string;
	readonly location: string;
	/** Full paths in the backup directory, keys at a remote. A local directory dump is one path. */
	readonly remove: readonly PurgedFile[];
	readonly keep: readonly PurgedFile[];
};

export type PurgedFile = {readonly path: string; readonly reason: string};

export function planObject(plan: BackupPlan): PlanObject {
	const {server, tools} = plan;
	return {
		schema: planSchema,
		start: plan.start,
		server: {
			version: server.version,
			host: server.host,
			port: server.port,
			user: server.user,
			standby: server.inRecovery,
		},
		tools: {
			pg_dump: toolObject(tools.pgDump),
			...(tools.pgDumpall && {pg_dumpall: toolObject(tools.pgDumpall)}),
		},
		jobs: plan.jobs,
		places: plan.places.map(({store, location}) => ({place: store, location})),
		outputs: plan.outputs,
		purge: plan.purge.map(purgeObject),
		warnings: plan.warnings,
		problems: plan.problems,
	};
}

function toolObject({path, version}: Tool) {
	return {path, version: formatVersion(version)};
}

/** Yields items with absolute paths, independent of the working directory; keys are unchanged. */
export function* placeItems({place, plan}: PlacePurge): Generator<PlannedItem> {
	for (const item of printedItems(plan)) yield place === 'backup' ? {...item, path: resolve(item.path)} : item;
}

export function purgeObject(purge: PlacePurge): PurgeObject {
	const {place, location} = purge;
	const remove: PurgedFile[] = [];
	const keep: PurgedFile[] = [];
	for (const item of placeItems(purge)) (item.action === 'remove' ? remove : keep).push(fileObject(item));
	return {place, location, remove, keep};
}

function fileObject({path, reason}: PlannedItem): PurgedFile {
	return {path, reason};
}
