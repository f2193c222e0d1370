/** Assigns databases to shards. Pure. */

export type Weighed = {
	readonly server: string;
	readonly database: string;
	/** The cost of the dump, in a unit that is the same for all. */
	readonly weight: number;
};

export type Limits = {
	/** Returns how many shards may work on the server; the fewest necessary are not limited. */
	readonly shardsOf: (server: string) => number;
};

export type Assigned = Weighed & {/** From 1 on. */ readonly shard: number};

/**
 * Assigns the heaviest database first to the shard with the least weight so far, among those that may work on its
 * server. The same input gives the same plan.
 */
export function assignShards(databases: readonly Weighed[], shards: number, limits: Limits): readonly Assigned[] {
	const loads = Array.from({length: shards}, () => 0);
	const used = new Map<string, Set<number>>();
	const heaviestFirst = databases.toSorted(
		(a, b) => b.weight - a.weight || compare(a.server, b.server) || compare(a.database, b.database),
	);
	return heaviestFirst.map(one => {
		const own = used.get(one.server) ?? new Set();
		used.set(one.server, own);
		const isFull = own.size >= Math.max(1, limits.shardsOf(one.server));
		let chosen: number | undefined;
		for (let index = 0; index < shards; index++) {
			if (isFull && !own.has(index)) continue;
			if (chosen === undefined || (loads[index] ?? 0) < (loads[chosen] ?? 0)) chosen = index;
		}
		const index = chosen ?? 0;
		own.add(index);
		loads[index] = (loads[index] ?? 0) + one.weight;
		return {...one, shard: index + 1};
	});
}

function compare(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

export type Measured = {readonly bytes: number; /** Of the last dump, where it is known. */ readonly seconds?: number};

/**
 * Returns one weight for each: seconds if all of them are known or can be estimated from the bytes of the others, else
 * bytes. An empty database has a weight too.
 */
export function weigh(measured: readonly Measured[]): readonly number[] {
	const known = measured.flatMap(({bytes, seconds}) => (seconds === undefined ? [] : [{bytes, seconds}]));
	const seconds = known.reduce((sum, one) => sum + one.seconds, 0);
	const bytes = known.reduce((sum, one) => sum + one.bytes, 0);
	if (known.length === 0 || seconds === 0 || bytes === 0) return measured.map(one => one.bytes + emptyDatabase);
	const rate = seconds / bytes;
	return measured.map(one => (one.seconds ?? one.bytes * rate) + leastSeconds);
}

/** Bytes that take as long to dump as starting pg_dump. */
const emptyDatabase = 1 << 20;
const leastSeconds = 0.05;
