/** Which shard dumps what. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import fc from 'fast-check';
import {assignShards, weigh, type Weighed} from '../../source/fleet/shards/assign.js';

const unlimited = {shardsOf: () => Infinity};

function loads(databases: readonly Weighed[], shards: number): number[] {
	const sums = Array.from({length: shards}, () => 0);
	for (const {shard, weight} of assignShards(databases, shards, unlimited))
		sums[shard - 1] = (sums[shard - 1] ?? 0) + weight;
	return sums;
}

describe('assigning databases to shards', () => {
	test('gives each database to one shard, and the same to the same input in any order', () => {
		const one = fc.record({server: fc.constantFrom('a', 'b'), database: fc.string(), weight: fc.nat(1000)});
		const distinct = fc.uniqueArray(one, {selector: ({server, database}) => JSON.stringify([server, database])});
		fc.assert(
			fc.property(distinct, fc.integer({min: 1, max: 9}), (databases, shards) => {
				const assigned = assignShards(databases, shards, unlimited);
				assert.equal(assigned.length, databases.length);
				assert.ok(assigned.every(({shard}) => shard >= 1 && shard <= shards));
				assert.deepEqual(assignShards(databases.toReversed(), shards, unlimited), assigned);
			}),
		);
	});

	test('is within 4/3 of the ideal', () => {
		const weights = fc.array(fc.integer({min: 1, max: 1000}), {minLength: 1, maxLength: 60});
		fc.assert(
			fc.property(weights, fc.integer({min: 1, max: 16}), (given, shards) => {
				const databases = given.map((weight, index) => ({server: 's', database: String(index), weight}));
				const sum = given.reduce((total, weight) => total + weight, 0);
				const ideal = Math.max(sum / shards, ...given);
				assert.ok(Math.max(...loads(databases, shards)) <= (4 / 3) * ideal + Math.max(...given) / 3 + 1);
			}),
		);
	});

	test('keeps within the shards that a server may have', () => {
		const databases = Array.from({length: 40}, (_, index) => ({
			server: index % 2 ? 'a' : 'b',
			database: `d${index}`,
			weight: 1,
		}));
		const assigned = assignShards(databases, 8, {shardsOf: server => (server === 'a' ? 1 : 3)});
		const used = (server: string) =>
			new Set(assigned.filter(one => one.server === server).map(({shard}) => shard)).size;
		assert.deepEqual([used('a'), used('b')], [1, 3]);
	});

	test('weighs by seconds where they are known, and guesses the others from their bytes', () => {
		assert.deepEqual(weigh([{bytes: 5}, {bytes: 10}]).map(Math.round), [5 + (1 << 20), 10 + (1 << 20)]);
		const [known, guessed] = weigh([{bytes: 100, seconds: 10}, {bytes: 200}]);
		assert.deepEqual([Math.round(known ?? 0), Math.round(guessed ?? 0)], [10, 20]);
		assert.deepEqual(weigh([]), []);
	});
});
