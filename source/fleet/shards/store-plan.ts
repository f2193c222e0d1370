/** Lets the processes of a divided run agree: the first plan that is written is the plan of all. */
import {randomUUID} from 'node:crypto';
import {PgBackError} from '../../core/errors.js';
import {display} from '../../lib/display.js';
import type {Remote} from '../../repository/remote.js';
import {createSmallObject, readSmallObject} from '../../repository/small-object.js';
import type {RunContext} from '../../runs/context.js';
import {StorageError} from '../../storage/errors.js';
import {
	largestPlan,
	parseSharedPlan,
	planKey,
	plansPrefix,
	runDirectory,
	shardsOf,
	type SharedPlan,
} from './run-plan.js';

export type PlanStore = {
	/** Returns undefined when there is none. Throws CORRUPT for an unusable one. */
	readonly read: () => Promise<SharedPlan | undefined>;
	/**
	 * Writes the plan if there is none, and returns the stored one. Throws CONFIG if the store does not support
	 * conditional writes.
	 */
	readonly agree: (plan: SharedPlan) => Promise<SharedPlan>;
	/** Writes the plan to a store without conditional writes: for a process that runs alone. */
	readonly write: (plan: SharedPlan) => Promise<SharedPlan>;
	/** Records that a process of this shard has completed everything. */
	readonly markDone: (server: string, shard: number) => Promise<void>;
	/** Returns true when every shard of every server has completed everything. */
	readonly isComplete: (plan: SharedPlan) => Promise<boolean>;
};

export function planStore(
	run: Pick<RunContext, 'configuration' | 'now' | 'signal'>,
	remote: Remote,
	runName: string,
): PlanStore {
	const {fleetPrefix} = run.configuration.settings;
	const {storage} = remote;
	const {signal} = run;
	const key = planKey(fleetPrefix, runName);
	const marks = `${runDirectory(fleetPrefix, runName)}done/`;
	const markOf = (server: string, shard: number) => `${marks}${server}.${shard}`;

	const read = async (): Promise<SharedPlan | undefined> => {
		const content = await readSmallObject(storage, key, signal, largestPlan);
		if (content === undefined) return undefined;
		const parsed = parseSharedPlan(content, runName);
		if ('plan' in parsed) return parsed.plan;
		throw new PgBackError('CORRUPT', `the plan ${display(key)} at ${storage.location}: ${parsed.problem}`, {
			hint: 'start a new run with another --run-name',
		});
	};
	const put = async (plan: SharedPlan, atomic: boolean): Promise<SharedPlan> => {
		if (await createSmallObject(storage, key, `${JSON.stringify(plan)}\n`, {signal, atomic})) return plan;
		const there = await read();
		if (there) return there;
		throw new PgBackError('STORAGE', `the plan ${display(key)} at ${storage.location} was removed while the run began`);
	};

	return {
		read,
		async agree(plan) {
			await requireConditions(run, remote);
			return put(plan, true);
		},
		write: plan => put(plan, false),
		async markDone(server, shard) {
			const mark = {schema: 1, runName, server, shard, time: run.now().toISOString()};
			await createSmallObject(
				storage,
				markOf(server, shard),
				`${JSON.stringify(mark)}
`,
				{signal},
			);
		},
		async isComplete(plan) {
			const done = new Set<string>();
			for await (const one of storage.list(marks, {signal})) done.add(one.key);
			return plan.servers.every(server => shardsOf(server).every(shard => done.has(markOf(server.name, shard))));
		},
	};
}

/**
 * Writes an object twice on the condition that it does not exist: a store that accepts both writes would let two
 * processes follow two plans. Throws CONFIG in that case.
 */
async function requireConditions(run: Pick<RunContext, 'configuration' | 'signal'>, {storage}: Remote): Promise<void> {
	const key = `${plansPrefix(run.configuration.settings.fleetPrefix)}probe`;
	try {
		for (let attempt = 1; attempt <= 2; attempt++) {
			// Different bytes each time: an object with the same bytes may be taken for the result of an upload with a lost
			// response.
			const text = `written to learn whether this store can make an object only once: ${randomUUID()}\n`;
			if (!(await createSmallObject(storage, key, text, {signal: run.signal, atomic: true}))) return;
		}
	} catch (error) {
		if (!(error instanceof StorageError) || error.fault !== 'unsupported') throw error;
	}
	const what = `${storage.location} cannot write an object on the condition that it does not exist`;
	throw new PgBackError('CONFIG', what, {
		hint: 'run pg_back --write-plan with the same --run-name once, before the shards start, and never start one shard twice at the same time',
	});
}
