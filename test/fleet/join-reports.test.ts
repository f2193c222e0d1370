/** The reports of shards, as one of their server. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {joinReports, type ShardReport} from '../../source/fleet/join-reports.js';
import {viewOf} from '../../source/fleet/judge.js';
import {parseStatusName, type ServerStatus, statusKey} from '../../source/fleet/status.js';

const now = Date.parse('2026-11-28T04:00:00Z');
const at = (hour: string) => `2026-11-28T${hour}:00Z`;

type Given = {readonly end?: string; readonly exitCode?: number; readonly databases?: readonly string[]};

function report(index: number, of: number, {end, exitCode = 0, databases = []}: Given, since?: string): ShardReport {
	const base = {schema: 1, server: 's', host: `h${index}`} as const;
	const status: ServerStatus | undefined =
		end === undefined
			? undefined
			: {
					...{...base, version: '3', runId: `r${index}`, start: at('02:00'), end, exitCode, outcome: 'done'},
					expectEvery: 93_600,
					databases: databases.map(database => ({
						database,
						lastGood: {time: at('02:00'), bytes: 1, seconds: 1},
					})),
				};
	return {
		shard: {index, of},
		...(status && {status}),
		...(since !== undefined && {running: {...base, runId: 'x', start: since, updated: at('03:59'), progress: 500}}),
	};
}

function view(reports: readonly ShardReport[], own: {readonly status?: ServerStatus} = {}) {
	return viewOf({server: 's', expected: false, ...own, ...joinReports(own, reports)}, now);
}

describe('the reports of shards', () => {
	test('are one server with the databases of all', () => {
		const one = view([
			report(1, 2, {end: at('03:00'), databases: ['a', 'b']}),
			report(2, 2, {end: at('03:10'), databases: ['c']}),
		]);
		assert.equal(one.verdict, 'ok');
		assert.deepEqual(one.databases.map(({database}) => database).toSorted(), ['a', 'b', 'c']);
	});

	test('one that failed, or never reported, fails the server', () => {
		const failed = view([report(1, 2, {end: at('03:00')}), report(2, 2, {end: at('03:00'), exitCode: 12})]);
		assert.deepEqual([failed.verdict, failed.last?.exitCode], ['failed', 12]);
		const silent = view([report(1, 2, {end: at('03:00')})]);
		assert.match(silent.lost ?? '', /^incomplete: 1 of 2 shards never reported/);
	});

	test('one that has not ended for long makes the server silent', () => {
		const one = view([report(1, 2, {end: at('03:00')}), report(2, 2, {end: '2026-11-26T02:00:00Z'})]);
		assert.match(one.lost ?? '', /^silent: no backup has ended for/);
	});

	test('one that runs is a backup that runs', () => {
		const one = view([report(1, 2, {end: at('03:00')}, at('03:30')), report(2, 2, {end: at('03:00')})]);
		assert.deepEqual([one.verdict, one.running?.age, one.running?.progress], ['ok', 1800, 0.5]);
	});

	test('those of an earlier division, and of one before an undivided backup, count for nothing', () => {
		const old = report(3, 3, {end: at('01:00'), exitCode: 1});
		const one = view([report(1, 2, {end: at('03:00')}), report(2, 2, {end: at('03:00')}), old]);
		assert.equal(one.verdict, 'ok');
		const {status} = report(1, 1, {end: at('03:30')});
		assert.ok(status);
		assert.equal(view([old], {status}).verdict, 'ok');
	});

	test('have names of their own', () => {
		const shard = {index: 3, of: 8};
		for (const kind of ['status', 'running'] as const) {
			const name = statusKey('fleet', 'db.1', kind, shard).slice('fleet/status/'.length);
			assert.deepEqual(parseStatusName(name), {server: 'db.1', kind, shard});
		}
	});
});
