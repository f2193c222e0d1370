/** A run that was recorded (`npm run bench:progress -- --record-run FILE`), played through the estimators as a backup does it. */
import {readFileSync} from 'node:fs';
import type {RunTotals} from '../../source/core/events.js';
import type {DumpSession} from '../../source/postgres/progress-sample.js';
import {History} from '../../source/progress/history.js';
import {JobProgressTracker} from '../../source/progress/job.js';
import {RunProgress} from '../../source/progress/run.js';

type RecordedTable = readonly [
	oid: number,
	name: string,
	bytes: number,
	toastBytes: number,
	pages: number,
	rows?: number,
];

/** Times in milliseconds since the first dump began. */
export type RecordedRun = {
	readonly concurrency: number;
	readonly dumps: readonly {
		readonly name: string;
		readonly size: number;
		readonly started: number;
		readonly dumped: number;
		readonly finished: number;
		readonly bytes: number;
		readonly tables: readonly RecordedTable[];
	}[];
	readonly samples: readonly {readonly time: number; readonly sessions: readonly DumpSession[]}[];
};

export type PlayedRun = {
	readonly end: number;
	readonly shown: readonly (RunTotals & {readonly time: number})[];
	/** For the next run. */
	readonly learned: History;
};

export function readRun(path: string | URL): RecordedRun {
	return JSON.parse(readFileSync(path, 'utf8')) as RecordedRun;
}

/** `history`: what an earlier run learned. */
export function playRun({concurrency, dumps, samples}: RecordedRun, history = new History()): PlayedRun {
	const learned = new History();
	const run = new RunProgress(concurrency);
	const tablesOf = new Map(
		dumps.map(({name, tables}) => [
			name,
			tables.map(([oid, table, bytes, toastBytes, pages, rows]) => ({
				...{oid, name: table, bytes, toastBytes, pages},
				...(rows !== undefined && {rows}),
			})),
		]),
	);
	const jobs = new Map(
		dumps.map(({name, size}) => {
			const job = {
				...{id: name, name, application: name, bytes: size},
				...{stages: ['dump', 'checksum'] as const, workers: 1},
			};
			const past = history.past('', name);
			return [name, past ? {...job, past} : job];
		}),
	);
	run.expect([...jobs.values()]);
	const trackers = new Map<string, JobProgressTracker>();
	const shown: (RunTotals & {readonly time: number})[] = [];
	const steps = [
		...dumps.map(dump => ({
			time: dump.started,
			act() {
				const {name} = dump;
				const job = jobs.get(name);
				if (!job) return;
				const tracker = new JobProgressTracker(job, dump.started, run.rates);
				trackers.set(name, tracker);
				run.started(tracker);
			},
		})),
		...dumps.map(({name, dumped, bytes}) => ({
			time: dumped,
			act: () => trackers.get(name)?.dumpEnded(dumped, bytes),
		})),
		...dumps.map(({name, finished}) => ({
			time: finished,
			act() {
				run.finished(name, 'done', finished);
				const past = trackers.get(name)?.past(finished);
				if (past) learned.record('', name, past);
			},
		})),
		...samples.map(({time, sessions}) => ({
			time,
			act() {
				for (const {name, finished} of dumps) {
					const tracker = trackers.get(name);
					const own = sessions.filter(one => one.database === name);
					if (!tracker || finished <= time || own.length === 0) continue;
					if (!tracker.hasTables) tracker.setTables(tablesOf.get(name) ?? []);
					tracker.addSample(time, own);
				}
				const [next] = run.unknown();
				if (next !== undefined) run.setTables(next, tablesOf.get(next) ?? []);
				const totals = run.totals(time);
				if (totals) shown.push({...totals, time});
			},
		})),
	].toSorted((a, b) => a.time - b.time);
	for (const step of steps) step.act();
	return {end: Math.max(...dumps.map(({finished}) => finished)), shown, learned};
}
