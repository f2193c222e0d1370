/** The plan as plain JSON: the output of `--dry-run --json`. Fields are only added. */
import {resolve} from 'node:path';
import type {Tool} from '../postgres/tools.js';
import {formatVersion} from '../postgres/versions.js';
import {type PlannedItem, printedItems} from '../retention/purge-plan.js';
import type {BackupPlan, PlacePurge, PlannedOutput, PlanProblem} from './plan.js';

export const planSchema = 1;

type PlanObject = {
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

type PurgeObject = {
	/** `backup` for the backup directory, otherwise the store's name. */
	readonly place: string;
	readonly location: string;
	/** Full paths in the backup directory, keys at a remote. A local directory dump is one path. */
	readonly remove: readonly PurgedFile[];
	readonly keep: readonly PurgedFile[];
};

type PurgedFile = {readonly path: string; readonly reason: string};

/** Yields the text of the plan in pieces, because a purge may name a million files. */
export function* planText(plan: BackupPlan): Generator<string> {
	const {server, tools} = plan;
	const before: Omit<PlanObject, 'purge' | 'warnings' | 'problems'> = {
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
	};
	const after: Pick<PlanObject, 'warnings' | 'problems'> = {warnings: plan.warnings, problems: plan.problems};
	yield `${JSON.stringify(before).slice(0, -1)},"purge":[`;
	for (const [index, purge] of plan.purge.entries()) {
		if (index > 0) yield ',';
		yield* purgeText(purge);
	}
	yield `],${JSON.stringify(after).slice(1)}`;
}

function toolObject({path, version}: Tool) {
	return {path, version: formatVersion(version)};
}

/** Yields what is removed or kept, with absolute paths, independent of the working directory; keys are unchanged. */
export function* placeItems({place, plan}: PlacePurge, action: PlannedItem['action']): Generator<PlannedItem> {
	for (const item of printedItems(plan, action)) yield place === 'backup' ? {...item, path: resolve(item.path)} : item;
}

/** Yields the text of a `PurgeObject` in pieces. */
export function* purgeText(purge: PlacePurge): Generator<string> {
	const about: Omit<PurgeObject, 'remove' | 'keep'> = {place: purge.place, location: purge.location};
	yield JSON.stringify(about).slice(0, -1);
	for (const action of ['remove', 'keep'] as const satisfies readonly (keyof PurgeObject)[]) {
		yield `,"${action}":[`;
		let isFirst = true;
		for (const item of placeItems(purge, action)) {
			yield `${isFirst ? '' : ','}${JSON.stringify(fileObject(item))}`;
			isFirst = false;
		}
		yield ']';
	}
	yield '}';
}

function fileObject({path, reason}: PlannedItem): PurgedFile {
	return {path, reason};
}
