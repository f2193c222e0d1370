/** Generations: the newest dump of each day, week, month and year is kept, and a dry run says why of every one. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Cluster, startCluster} from '../helpers/cluster.js';
import {connectTo, filesIn, runProgram, scratchDirectory} from '../helpers/program.js';

let server: Cluster;
before(async () => {
	server = await startCluster({name: 'periods'});
	await server.psql('postgres', 'create database a');
});
after(async () => server.stop());

const day = 86_400_000;
/** Yesterday at noon, so that no test crosses the end of a day of its dumps. */
const noon = Math.floor(Date.now() / day) * day - day / 2;
const nameAt = (time: number) => `a_${new Date(time).toISOString().replace(/\.\d+/, '')}.dump`;

/** One dump a day for three years, two on every tenth day. */
const times = Array.from({length: 1096}, (_, age) => noon - age * day).flatMap((time, age) =>
	age % 10 === 0 ? [time, time - 3_600_000] : [time],
);

/** The names of the newest of each of the `count` newest periods that have one; periods by UTC, as TZ is in these tests. */
function newestOf(periodOf: (date: Date) => string, count: number): string[] {
	const newest = new Map<string, number>();
	for (const time of times) {
		const period = periodOf(new Date(time));
		newest.set(period, Math.max(time, newest.get(period) ?? 0));
	}
	return [...newest.values()]
		.sort((a, b) => b - a)
		.slice(0, count)
		.map(nameAt);
}
const daily = (date: Date) => date.toISOString().slice(0, 10);
const monthly = (date: Date) => date.toISOString().slice(0, 7);
const yearly = (date: Date) => date.toISOString().slice(0, 4);
/** Monday of its week. */
const weekly = (date: Date) => daily(new Date(date.getTime() - ((date.getUTCDay() + 6) % 7) * day));

/** This run's own dump is the newest of its day, week, month and year: each kind keeps one old period less, unless it is that of another. */
function expected(counts: {daily: number; weekly: number; monthly: number; yearly: number}, now: Date): string[] {
	const others = (periodOf: (date: Date) => string, count: number) => {
		const found = newestOf(periodOf, Infinity).filter(name => periodOf(new Date(name.slice(2, -5))) !== periodOf(now));
		return count === 0 ? [] : found.slice(0, count - 1);
	};
	return [
		...new Set([
			...others(daily, counts.daily),
			...others(weekly, counts.weekly),
			...others(monthly, counts.monthly),
			...others(yearly, counts.yearly),
		]),
	].sort();
}

function fill(): string {
	const directory = scratchDirectory('periods');
	for (const time of times) writeFileSync(join(directory, nameAt(time)), 'dump');
	return directory;
}
const dumpsIn = (directory: string) => filesIn(directory).filter(name => /^a_.*\.dump$/.test(name));

describe('generations', () => {
	for (const counts of [
		{daily: 7, weekly: 4, monthly: 12, yearly: 3},
		{daily: 3, weekly: 0, monthly: 0, yearly: 0},
		{daily: 0, weekly: 0, monthly: 6, yearly: 2},
	]) {
		test(JSON.stringify(counts), async () => {
			const directory = fill();
			const args = [
				...connectTo(server, directory),
				...['-P', '0', '-K', '1', '--dump-only'],
				...Object.entries(counts).flatMap(([kind, count]) => [`--keep-${kind}`, String(count)]),
			];
			// A dry run touches nothing, and says the same as what is then done; of every file once, and why.
			const dry = await runProgram([...args, '--dry-run', '-v', 'a']);
			assert.equal(dry.code, 0, dry.stderr);
			assert.equal(dumpsIn(directory).length, times.length);
			const said = `${dry.stdout}\n${dry.stderr}`;
			for (const time of times) {
				const name = nameAt(time);
				const lines = said.split('\n').filter(line => line.includes(name));
				assert.equal(lines.length, 1, `${name}: ${lines.join('\n')}`);
			}
			const run = await runProgram([...args, '-v', 'a']);
			assert.equal(run.code, 0, run.stderr);
			const left = dumpsIn(directory);
			const own = left.at(-1) ?? assert.fail();
			const kept = expected(counts, new Date(own.slice(2, -5)));
			assert.deepEqual(left, [...kept, own], 'those, and this run');
			const lines = run.stderr.split('\n');
			for (const name of kept)
				assert.match(
					lines.find(line => line.includes(name)) ?? '',
					/keeping .*: kept as the (?:dai|week|month|year)ly of \d+/,
				);
			assert.equal(run.stderr.match(/ removing .*a_\S+\.dump: \S+/g)?.length, times.length - kept.length);
		});
	}
});
