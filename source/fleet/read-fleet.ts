/**
 * Reads the reports of all servers: a listing and small objects, 32 at a time. Everything in them is checked before it
 * is used.
 */
import {serverNameProblem} from '../config/servers.js';
import {messageOf, PgBackError} from '../core/errors.js';
import type {FleetProgress} from '../core/fleet-handle.js';
import type {Remote} from '../repository/remote.js';
import {readSmallObject} from '../repository/small-object.js';
import {joinReports, type ShardReport} from './join-reports.js';
import {
	expectedKey,
	largestStatus,
	parseRunningStatus,
	parseServerStatus,
	parseStatusName,
	type Read,
	type RunningStatus,
	type ServerStatus,
	type StatusName,
	statusPrefix,
} from './status.js';

export type FleetServer = {
	readonly server: string;
	/** True if expected.txt names it. */
	readonly expected: boolean;
	readonly status?: ServerStatus;
	readonly running?: RunningStatus;
	readonly drill?: ServerStatus;
	/** Why an object of the server could not be used. */
	readonly problem?: string;
};

export type FleetSource = {
	readonly remote: Remote;
	readonly fleetPrefix: string;
	readonly signal: AbortSignal;
	/** Returns whether to read a server. */
	readonly chooses: (server: string) => boolean;
	/** Called for each report that was read. */
	readonly onProgress?: (progress: FleetProgress) => void;
};

/** The number of objects read at the same time. */
export const concurrentReads = 32;
/** More servers can only be a mistake, or an attempt to fill our memory. */
const mostServers = 50_000;
/** Maximum bytes of all objects together. */
const largestFleet = 512 << 20;
const largestExpected = 4 << 20;

type Found = {-readonly [K in keyof FleetServer]: FleetServer[K]};
type Report = {-readonly [K in keyof ShardReport]: ShardReport[K]};
type Entry = StatusName & {readonly key: string; readonly size: number};

/**
 * Returns the servers that have reported or that expected.txt names, by name. Throws STORAGE, and CORRUPT above these
 * limits.
 */
export async function readFleet(source: FleetSource): Promise<readonly FleetServer[]> {
	const servers = new Map<string, Found>();
	const serverOf = (name: string): Found => {
		const known = servers.get(name) ?? {server: name, expected: false};
		servers.set(name, known);
		if (servers.size > mostServers) throw tooMany(source);
		return known;
	};
	for (const name of await expectedServers(source)) serverOf(name).expected = true;
	const entries = await listEntries(source);
	for (const {server} of entries) serverOf(server);
	const reports = new Map<string, Map<string, Report>>();
	const reportOf = ({server, shard}: Entry): Found | Report => {
		if (shard === undefined) return serverOf(server);
		const own = reports.get(server) ?? new Map<string, Report>();
		reports.set(server, own);
		const name = `${shard.index}/${shard.of}`;
		const known = own.get(name) ?? {shard};
		own.set(name, known);
		return known;
	};
	const waiting = entries.values();
	let read = 0;
	const work = async () => {
		for (const entry of waiting) {
			await readEntry(source, entry, {found: serverOf(entry.server), report: reportOf(entry)});
			source.onProgress?.({read: ++read, found: entries.length});
		}
	};
	await Promise.all(Array.from({length: concurrentReads}, work));
	for (const [server, own] of reports)
		Object.assign(serverOf(server), joinReports(serverOf(server), [...own.values()]));
	return [...servers.values()].toSorted((a, b) => (a.server < b.server ? -1 : 1));
}

async function listEntries({remote, fleetPrefix, signal, chooses}: FleetSource): Promise<readonly Entry[]> {
	const prefix = statusPrefix(fleetPrefix);
	const entries: Entry[] = [];
	let bytes = 0;
	for await (const {key, size, directory} of remote.storage.list(prefix, {signal})) {
		const name = directory ? undefined : parseStatusName(key.slice(prefix.length));
		if (name === undefined || !chooses(name.server)) continue;
		entries.push({...name, key, size});
		bytes += size;
		if (entries.length > 3 * mostServers || bytes > largestFleet) throw tooMany({remote, fleetPrefix});
	}
	return entries;
}

function tooMany({remote, fleetPrefix}: Pick<FleetSource, 'remote' | 'fleetPrefix'>): PgBackError {
	return new PgBackError(
		'CORRUPT',
		`${remote.storage.location}${statusPrefix(fleetPrefix)} holds more than ${mostServers} servers, or ${largestFleet} bytes`,
		{hint: 'remove what does not belong there'},
	);
}

async function readEntry(
	{remote, signal}: FleetSource,
	{server, kind, key, size}: Entry,
	{found, report}: {readonly found: Found; readonly report: Found | Report},
): Promise<void> {
	try {
		if (size > largestStatus) throw new PgBackError('CORRUPT', `it is larger than ${largestStatus} bytes`);
		const content = await readSmallObject(remote.storage, key, signal, largestStatus);
		if (content === undefined) return; // removed in the meantime
		const take = <T>(read: Read<T>): T | undefined => {
			if ('value' in read) return read.value;
			found.problem = `unreadable status: ${kind} object: ${read.problem}`;
			return undefined;
		};
		if (serverNameProblem(server) !== undefined) found.problem = 'unreadable status: its name is not that of a server';
		else if (kind === 'running') report.running = take(parseRunningStatus(content, server));
		else if (kind === 'status') report.status = take(parseServerStatus(content, server));
		else found.drill = take(parseServerStatus(content, server));
	} catch (error) {
		signal.throwIfAborted();
		found.problem = `unreadable status: ${kind} object: ${messageOf(error)}`;
	}
}

/** Parses lines with a name each; `#` begins a comment. */
async function expectedServers({remote, fleetPrefix, signal, chooses}: FleetSource): Promise<readonly string[]> {
	const content = await readSmallObject(remote.storage, expectedKey(fleetPrefix), signal, largestExpected);
	return (content ?? '')
		.split('\n')
		.map(line => line.replace(/#.*/, '').trim())
		.filter(name => name !== '' && chooses(name));
}
