/**
 * The plan of a divided run, shared by all of its processes: one object in the store, written once. It contains
 * everything that must not differ between two attempts at one shard.
 */
import {posix} from 'node:path';
import {serverNameProblem} from '../../config/servers.js';
import {count, type Decode, DecodeError, list, object, optional, string, text} from '../../lib/decode.js';

export const sharedPlanSchema = 1;

export type PlannedDatabase = {
	readonly name: string;
	/** From 1 on. */
	readonly shard: number;
};

export type PlannedServer = {
	readonly name: string;
	/** upload_prefix. */
	readonly prefix: string;
	/** The time in the names of its files. */
	readonly timeText: string;
	/** The system identifier from pg_control, if readable. */
	readonly systemIdentifier?: string;
	/** The shard that dumps the server-wide files. */
	readonly globals: number;
	readonly databases: readonly PlannedDatabase[];
};

export type SharedPlan = {
	readonly schema: typeof sharedPlanSchema;
	readonly runName: string;
	readonly runId: string;
	/** The time in the names of all files, UTC. */
	readonly start: string;
	/** Until when the run may still become complete, UTC. */
	readonly deadline: string;
	readonly shards: number;
	readonly servers: readonly PlannedServer[];
};

/** The name in plans and reports of a server without a configured name. */
export const unnamedServer = 'default';

/** Bytes: a plan of 1,000 servers with 100,000 databases has 10 MiB. */
export const largestPlan = 64 << 20;

/** Returns the directory of plans, relative to the root of the store, with a trailing slash. */
export function plansPrefix(fleetPrefix: string): string {
	return `${posix.join('/', fleetPrefix, '/').slice(1)}plans/`;
}

export function planKey(fleetPrefix: string, runName: string): string {
	return `${plansPrefix(fleetPrefix)}${runName}.json`;
}

/** Returns the directory for objects that the processes of a run share, with a trailing slash. */
export function runDirectory(fleetPrefix: string, runName: string): string {
	return `${plansPrefix(fleetPrefix)}${runName}/`;
}

const instant = text(
	value => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(value) && !Number.isNaN(Date.parse(value)),
	'UTC instant',
);
const schema: Decode<typeof sharedPlanSchema> = (value, place) => {
	if (value !== sharedPlanSchema) throw new DecodeError(place, 'schema that is known');
	return sharedPlanSchema;
};
const runId = text(value => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value), 'run id');
const serverName = text(value => serverNameProblem(value) === undefined, 'name of a server');
const decodePlan: Decode<SharedPlan> = object({
	schema,
	runName: string,
	runId,
	start: instant,
	deadline: instant,
	shards: count,
	servers: list(
		object({
			name: serverName,
			prefix: string,
			timeText: string,
			systemIdentifier: optional(string),
			globals: count,
			databases: list(object({name: string, shard: count})),
		}),
	),
});

/** Returns the plan, or why the text is invalid. */
export function parseSharedPlan(
	content: string,
	runName: string,
): {readonly plan: SharedPlan} | {readonly problem: string} {
	try {
		const plan = decodePlan(JSON.parse(content), '');
		if (plan.runName !== runName) return {problem: 'it is the plan of another run'};
		const isShard = (shard: number) => shard >= 1 && shard <= plan.shards;
		for (const {name, globals, databases} of plan.servers) {
			const names = new Set(databases.map(database => database.name));
			if (names.size < databases.length) return {problem: `it names a database of ${name} twice`};
			if (!isShard(globals) || !databases.every(({shard}) => isShard(shard)))
				return {problem: `it names a shard that the run does not have`};
		}
		if (new Set(plan.servers.map(({name}) => name)).size < plan.servers.length)
			return {problem: 'it names a server twice'};
		return {plan};
	} catch (error) {
		if (error instanceof SyntaxError) return {problem: 'invalid JSON'};
		if (error instanceof DecodeError) return {problem: error.message};
		throw error;
	}
}

/** Returns the shards with work for the server, in order. */
export function shardsOf({globals, databases}: PlannedServer): readonly number[] {
	return [...new Set([globals, ...databases.map(({shard}) => shard)])].toSorted((a, b) => a - b);
}
