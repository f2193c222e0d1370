/** Plans a divided run from the databases of the servers, and from how long their last dumps took. */
import {messageOf} from '../../core/errors.js';
import {display} from '../../lib/display.js';
import type {Remote} from '../../repository/remote.js';
import {readSmallObject} from '../../repository/small-object.js';
import {newRunId, type RunContext, type ServerContext} from '../../runs/context.js';
import {largestStatus, parseServerStatus, parseStatusName, statusPrefix} from '../status.js';
import {assignShards, weigh} from './assign.js';
import {type Inventory, requireDivisible, takeInventory, timeTextOf} from './inventory.js';
import {type PlannedServer, type SharedPlan, sharedPlanSchema, unnamedServer} from './run-plan.js';

export type Proposal = {
	readonly runName: string;
	readonly shards: number;
	readonly remote: Remote;
	/** One for each server. */
	readonly runs: readonly ServerContext[];
	/** Servers that are queried at the same time. */
	readonly concurrency: number;
	/**
	 * A server that does not respond is assigned to one shard as a whole, which reports it; otherwise its error is
	 * thrown.
	 */
	readonly mayFail: boolean;
};

type Found = {readonly run: Pick<RunContext, 'configuration'>; readonly name: string; readonly inventory: Inventory};

export async function propose(proposal: Proposal): Promise<SharedPlan> {
	const {runName, shards, runs} = proposal;
	const [first] = runs;
	if (first === undefined) throw new TypeError('a plan without servers');
	const found = await inventories(proposal);
	const known = new Map<string, ReadonlyMap<string, number>>();
	for (const {name} of found) known.set(name, await secondsOf(proposal, name));
	const all = found.flatMap(({name, inventory}) => {
		const seconds = known.get(name);
		return inventory.databases.map(({name: database, bytes}) => {
			const last = seconds?.get(database);
			return {server: name, database, bytes, ...(last !== undefined && {seconds: last})};
		});
	});
	const weights = weigh(all);
	const weighed = all.map(({server, database}, index) => ({server, database, weight: weights[index] ?? 0}));
	const limits = new Map(found.map(one => [one.name, one.inventory.isStandby ? 1 : shardLimit(one.run)]));
	const assigned = assignShards(weighed, shards, {shardsOf: server => limits.get(server) ?? Infinity});
	const start = Math.floor(first.now().getTime() / 1000) * 1000;
	const deadline = start + first.configuration.settings.runDeadline * 1000;
	return {
		schema: sharedPlanSchema,
		runName,
		runId: newRunId().runId,
		start: new Date(start).toISOString(),
		deadline: new Date(deadline).toISOString(),
		shards,
		servers: found.map(({run, name, inventory}, index): PlannedServer => {
			const own = assigned.filter(({server}) => server === name);
			return {
				name,
				prefix: run.configuration.settings.uploadPrefix,
				timeText: timeTextOf(run, start),
				...(inventory.systemIdentifier !== undefined && {systemIdentifier: inventory.systemIdentifier}),
				// The heaviest is first. Servers without known databases are distributed over the shards.
				globals: own[0]?.shard ?? (index % shards) + 1,
				databases: own.map(({database, shard}) => ({name: database, shard})),
			};
		}),
	};
}

async function inventories({runs, concurrency, mayFail}: Proposal): Promise<readonly Found[]> {
	const found: Found[] = [];
	const waiting = runs.entries();
	const work = async () => {
		for (const [index, run] of waiting) {
			const name = serverNameOf(run);
			const inventory = await takeInventory(run).catch((error: unknown): Inventory => {
				if (!mayFail) throw error;
				run.signal.throwIfAborted();
				const text = display(`${name} is not divided, as its databases could not be listed: ${messageOf(error)}`);
				run.emit({type: 'log', level: 'warn', text});
				return {databases: [], systemIdentifier: undefined, isStandby: false};
			});
			requireDivisible(
				run,
				inventory.databases.map(database => database.name),
			);
			found[index] = {run, name, inventory};
		}
	};
	await Promise.all(Array.from({length: Math.min(concurrency, runs.length)}, work));
	return found;
}

/** Returns the seconds of the last dump of each database, if they were reported: only the balance depends on them. */
async function secondsOf({runs, remote}: Proposal, server: string): Promise<ReadonlyMap<string, number>> {
	const [run] = runs;
	const seconds = new Map<string, number>();
	if (!run) return seconds;
	const prefix = statusPrefix(run.configuration.settings.fleetPrefix);
	for await (const {key, size} of remote.storage.list(`${prefix}${server}.`, {signal: run.signal})) {
		const name = parseStatusName(key.slice(prefix.length));
		if (name?.server !== server || name.kind !== 'status' || size > largestStatus) continue;
		const content = await readSmallObject(remote.storage, key, run.signal, largestStatus);
		const status = content === undefined ? undefined : parseServerStatus(content, server);
		if (status === undefined || !('value' in status)) continue;
		for (const {database, lastGood} of status.value.databases)
			if (lastGood?.milliseconds !== undefined) seconds.set(database, lastGood.milliseconds / 1000);
	}
	return seconds;
}

/**
 * Returns how many shards may work on a server at the same time: each needs a connection for each dump, and two more.
 */
function shardLimit({configuration: {settings}}: Pick<RunContext, 'configuration'>): number {
	const {maxConnectionsPerServer: most, jobs} = settings;
	return most === 0 ? Infinity : Math.max(1, Math.floor(most / (jobs + 2)));
}

/** Returns the name of the server in plans and reports. */
export function serverNameOf({configuration: {settings}}: Pick<RunContext, 'configuration'>): string {
	return settings.serverName === '' ? unnamedServer : settings.serverName;
}
