/** One time for the drills of many servers. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {shareDrillTime} from '../../source/fleet/drill-turns.js';
import {runServers, type ServerOutcome, type Turn, type Turns} from '../../source/fleet/run-servers.js';

const start = Date.parse('2026-11-30T00:00:00Z');
const daysAgo = (days: number) => start - days * 86_400_000;

/** A fleet whose drills take `seconds` each: when each database was last restored, by server, in days before the start. */
function fleet(drills: Readonly<Record<string, readonly number[]>>, secondsOf: (server: string) => number) {
	let now = start;
	const times = new Map(Object.entries(drills).map(([server, days]) => [server, days.map(daysAgo)]));
	const turns: [string, number][] = [];
	return {
		turns,
		options: {
			servers: Object.keys(drills),
			timesOf: async (server: string) => times.get(server)?.toSorted((a, b) => a - b),
			now: () => now,
		},
		/** Restores as the process of a server does: what was restored longest ago first, at least one. */
		restore: ({server, options}: Turn): ServerOutcome => {
			const budget = Number(/^--budget=(\d+)$/.exec(options[0] ?? '')?.[1]);
			turns.push([server, budget]);
			const began = now;
			const own = (times.get(server) ?? []).sort((a, b) => a - b);
			for (let index = 0; index < own.length; index++) {
				if (index > 0 && now > began + budget * 1000) break;
				now += secondsOf(server) * 1000;
				own[index] = now;
			}
			return {server, outcome: 'ok', exitCode: 0, seconds: (now - began) / 1000};
		},
	};
}

/** Runs one process after the other until no more is to be started. */
async function runAll(turns: Turns, restore: (turn: Turn) => ServerOutcome): Promise<void> {
	for (let turn = turns.next(); turn; turn = turns.next()) await turns.ended(turn, restore(turn));
}

describe('the turns of servers', () => {
	test('begin with the server whose database was restored longest ago, each with its part of the time', async () => {
		const {turns, options, restore} = fleet({a: [1], b: [30, 1], c: [7]}, () => 10);
		await runAll(await shareDrillTime({...options, jobs: 1, seconds: 90}), restore);
		assert.deepEqual(turns, [
			['b', 30],
			['c', 35],
			['a', 60],
		]);
	});

	test('are repeated for a server with databases that are due, when others have needed less', async () => {
		const {turns, options, restore} = fleet({a: [9, 9, 9, 9, 9, 9], b: [8]}, () => 10);
		await runAll(await shareDrillTime({...options, jobs: 1, seconds: 60}), restore);
		assert.deepEqual(turns, [
			['a', 30],
			['b', 10],
			['a', 10],
		]);
	});

	test('end when the time is used, and the next night begins with the others', async () => {
		const night = fleet({a: [3], b: [2], c: [1]}, () => 100);
		await runAll(await shareDrillTime({...night.options, jobs: 1, seconds: 50}), night.restore);
		assert.deepEqual(night.turns, [['a', 17]]);
		await runAll(await shareDrillTime({...night.options, jobs: 1, seconds: 50}), night.restore);
		assert.deepEqual(
			night.turns.map(([server]) => server),
			['a', 'b'],
		);
	});

	test('are not repeated for a server that failed, or that restored nothing', async () => {
		const {options} = fleet({a: [9, 9], b: [8]}, () => 10);
		const started: string[] = [];
		await runAll(await shareDrillTime({...options, jobs: 1, seconds: 60}), ({server}) => {
			started.push(server);
			return {server, outcome: server === 'a' ? 'failed' : 'ok', seconds: 0};
		});
		assert.deepEqual(started, ['a', 'b']);
	});

	test('of a server whose dumps cannot be read are first: its own process says why', async () => {
		const {options, turns, restore} = fleet({a: [9], b: [8]}, () => 10);
		const timesOf = async (server: string) => (server === 'b' ? undefined : options.timesOf(server));
		await runAll(await shareDrillTime({...options, timesOf, jobs: 2, seconds: 60}), restore);
		assert.deepEqual(turns, [
			['b', 60],
			['a', 50],
		]);
	});

	test('without time a server is left for the next drill, which is no failure', async () => {
		const {options} = fleet({a: [3], b: [2]}, () => 100);
		let now = start;
		const turns = await shareDrillTime({...options, now: () => now, jobs: 1, seconds: 50});
		const outcomes = await runServers({
			servers: ['a', 'b'],
			turns: {
				next: turns.next,
				async ended(turn, outcome) {
					now += 60_000;
					await turns.ended(turn, outcome);
				},
			},
			jobs: 1,
			program: ['true'],
			argumentsFor: ({options: more}) => more,
			env: process.env,
			signal: new AbortController().signal,
			onLine: () => undefined,
		});
		assert.deepEqual(
			outcomes.map(({server, outcome}) => [server, outcome]),
			[
				['a', 'ok'],
				['b', 'no time left'],
			],
		);
	});
});
