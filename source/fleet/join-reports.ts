/** Joins the reports of a divided backup's shards to one report of their server. Pure. */
import type {Shard} from '../config/shard.js';
import {type DatabaseStatus, liveRun, type RunningStatus, type ServerStatus} from './status.js';

type Reported = {readonly status?: ServerStatus; readonly running?: RunningStatus};

/** The report of one shard of a server's divided backup. */
export type ShardReport = Reported & {readonly shard: Shard};

type Joined = Reported & {readonly problem?: string};

/** Joins the shards of the last division; an undivided backup that ended later replaces them. */
export function joinReports(server: Reported, reports: readonly ShardReport[]): Joined {
	const newest = reports.toSorted((a, b) => timeOf(b) - timeOf(a))[0];
	if (newest === undefined || timeOf(newest) < timeOf(server)) return {};
	const own = reports.filter(({shard}) => shard.of === newest.shard.of);
	const running = joinRunning(own.flatMap(report => liveRun(report) ?? []));
	const statuses = own.flatMap(({status}) => status ?? []);
	const missing = newest.shard.of - own.length;
	const status = joinStatuses(statuses, running?.start);
	return {
		...(status && {status}),
		...(running && {running}),
		...(missing > 0 &&
			running === undefined && {problem: `incomplete: ${missing} of ${newest.shard.of} shards never reported`}),
	};
}

function timeOf({status, running}: Reported): number {
	return Math.max(...[status?.end, running?.updated].map(time => (time === undefined ? 0 : Date.parse(time))));
}

/** The shard with the oldest report determines whether the backup hangs. */
function joinRunning(running: readonly RunningStatus[]): RunningStatus | undefined {
	const [first] = running;
	if (first === undefined) return undefined;
	const fractions = running.flatMap(({progress}) => progress ?? []);
	const {progress: _own, ...one} = first;
	return {
		...one,
		start: earliest(running.map(({start}) => start)),
		updated: earliest(running.map(({updated}) => updated)),
		...(fractions.length === running.length && {
			progress: Math.round(fractions.reduce((sum, fraction) => sum + fraction, 0) / fractions.length),
		}),
	};
}

/** The shard that ended longest ago determines whether the server is silent. */
function joinStatuses(statuses: readonly ServerStatus[], runningSince: string | undefined): ServerStatus | undefined {
	const worst = statuses.find(({exitCode}) => exitCode !== 0) ?? statuses[0];
	if (worst === undefined) return undefined;
	const databases = new Map<string, DatabaseStatus>();
	for (const one of statuses.flatMap(status => status.databases)) {
		const known = databases.get(one.database);
		if (!known || goodTime(one) > goodTime(known)) databases.set(one.database, one);
	}
	const starts = statuses.map(({start}) => start);
	return {
		...worst,
		start: earliest(runningSince === undefined ? starts : [...starts, runningSince]),
		end: earliest(statuses.map(({end}) => end)),
		databases: [...databases.values()],
	};
}

function goodTime({lastGood}: DatabaseStatus): number {
	return lastGood === undefined ? 0 : Date.parse(lastGood.time);
}

function earliest(times: readonly string[]): string {
	return times.reduce((first, time) => (Date.parse(time) < Date.parse(first) ? time : first));
}
