/** Judges the state of a server from its reports. Pure. */
import {ageText, type DatabaseView, oldestOf, type ServerView} from '../core/fleet.js';
import type {FleetServer} from './read-fleet.js';
import {type DatabaseStatus, liveRun, type RunningStatus} from './status.js';

/** Milliseconds by which clocks may differ. */
const clockTolerance = 5 * 60_000;
/** Milliseconds without a report from a running backup, which reports every five minutes. */
const staleAfter = 16 * 60_000;
/** Maximum age of the oldest good dump in seconds, if the server does not report how often it is backed up. */
const usualAge = 86_400;

/** `now` is in milliseconds since the epoch. */
export function viewOf(found: FleetServer, now: number): ServerView {
	const {server, status} = found;
	const running = liveRun(found);
	const lost = lostBecause(found, running, now);
	const drills = new Map(found.drill?.databases.map(one => [one.database, one] as const));
	const databases = (status?.databases ?? []).map(one => databaseView(one, drills.get(one.database), now));
	const failures = failuresOf(found, databases, lost);
	const warnings = warningsOf(databases, status?.expectEvery ?? usualAge);
	return {
		server,
		verdict: failures.length > 0 ? 'failed' : warnings.length > 0 ? 'warning' : 'ok',
		reasons: [...failures, ...warnings],
		...(lost !== undefined && {lost}),
		...hostOf(found),
		databases,
		...(status && {
			last: {age: secondsSince(status.end, now), exitCode: status.exitCode, outcome: status.outcome},
		}),
		...(running && {
			running: {
				age: secondsSince(running.start, now),
				...(running.progress !== undefined && {progress: Math.min(1, running.progress / 1000)}),
				...(running.estimated !== undefined && {estimated: running.estimated}),
			},
		}),
	};
}

function hostOf({status, running}: FleetServer): Pick<ServerView, 'host' | 'serverVersion'> {
	const host = status?.host ?? running?.host;
	return {
		...(host !== undefined && {host}),
		...(status?.serverVersion !== undefined && {serverVersion: status.serverVersion}),
	};
}

function failuresOf(
	{status}: FleetServer,
	databases: readonly DatabaseView[],
	lost: string | undefined,
): readonly string[] {
	const never = databases.filter(({age}) => age === undefined);
	const named = never.length === 1 ? (never[0]?.database ?? '') : `${never.length} databases`;
	return [
		...(lost === undefined ? [] : [lost]),
		...(status && status.exitCode !== 0 ? [`last backup: exit status ${status.exitCode}`] : []),
		...(never.length > 0 ? [`no good dump of ${named}`] : []),
	];
}

/** `expected` is in seconds. */
function warningsOf(databases: readonly DatabaseView[], expected: number): readonly string[] {
	const oldest = oldestOf(databases);
	return (oldest?.age ?? 0) > expected ? [`oldest good dump is older than ${ageText(expected)}`] : [];
}

function lostBecause(
	{status, problem}: FleetServer,
	running: RunningStatus | undefined,
	now: number,
): string | undefined {
	if (problem !== undefined) return problem;
	if (status === undefined && running === undefined) return 'never reported';
	const times = [status?.end, running?.updated].flatMap(time => (time === undefined ? [] : [Date.parse(time)]));
	if (times.some(time => time > now + clockTolerance)) return 'status is dated in the future';
	if (running && now - Date.parse(running.updated) > staleAfter)
		return `its backup died or hangs: no report for ${ageText(secondsSince(running.updated, now))}`;
	const limit = status?.expectEvery;
	const silence = status && secondsSince(status.end, now);
	if (limit !== undefined && silence !== undefined && silence > limit)
		return `silent: no backup has ended for ${ageText(silence)}, expected every ${ageText(limit)}`;
	if (status === undefined && running && secondsSince(running.start, now) > usualAge)
		return `its first backup runs for ${ageText(secondsSince(running.start, now))}`;
	return undefined;
}

function databaseView(
	{database, lastGood, lastProven, lastError}: DatabaseStatus,
	drill: DatabaseStatus | undefined,
	now: number,
): DatabaseView {
	const isBelievable = lastGood !== undefined && Date.parse(lastGood.time) <= now + clockTolerance;
	const proven = drill?.lastProven ?? lastProven;
	return {
		database,
		...(isBelievable && {age: secondsSince(lastGood.time, now)}),
		bytes: lastGood?.bytes ?? 0,
		seconds: lastGood?.seconds ?? 0,
		...(lastGood?.key !== undefined && {where: `${lastGood.location ?? ''} ${lastGood.key}`.trim()}),
		...(proven !== undefined && Date.parse(proven) <= now + clockTolerance && {proven: secondsSince(proven, now)}),
		...(lastError && {error: lastError.code}),
	};
}

function secondsSince(time: string, now: number): number {
	return Math.max(0, Math.round((now - Date.parse(time)) / 1000));
}
