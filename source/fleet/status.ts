/**
 * The catalog of the fleet: small objects below `fleet_prefix` with the status of each server. They are derived from
 * runs and only displayed: since anyone with write permission may have written them, no purge and no restore depends on
 * them.
 */
import {posix} from 'node:path';
import type {Shard} from '../config/shard.js';
import {boolean, count, type Decode, DecodeError, list, object, oneOf, optional, string, text} from '../lib/decode.js';

export const statusSchema = 1;

export type DatabaseStatus = {
	readonly database: string;
	/** The newest dump that was created and uploaded without an error. */
	readonly lastGood?: {
		/** When the dump started, UTC. */
		readonly time: string;
		/** Bytes of its files at the remote. */
		readonly bytes: number;
		readonly seconds: number;
		/** Milliseconds of a dump that this run made itself. */
		readonly milliseconds?: number;
		/** Such as `s3://bucket/`. */
		readonly location?: string;
		readonly key?: string;
	};
	readonly lastRestored?: string;
	readonly lastProven?: string;
	/** Absent when the last dump succeeded. */
	readonly lastError?: {readonly time: string; readonly code: string};
};

/** What a backup or a drill of one server writes at its end. */
export type ServerStatus = {
	readonly schema: typeof statusSchema;
	readonly server: string;
	/** The host that pg_back ran on. */
	readonly host: string;
	/** The version of pg_back. */
	readonly version: string;
	readonly serverVersion?: string;
	readonly runId: string;
	readonly start: string;
	readonly end: string;
	readonly exitCode: number;
	readonly outcome: 'done' | 'failed' | 'cancelled';
	/** A code from core/errors. */
	readonly error?: string;
	/** Seconds within which the next run must have ended. */
	readonly expectEvery?: number;
	readonly databases: readonly DatabaseStatus[];
};

/** What a backup writes at its start, and every few minutes. */
export type RunningStatus = {
	readonly schema: typeof statusSchema;
	readonly server: string;
	readonly host: string;
	readonly runId: string;
	readonly start: string;
	/** When this was written. */
	readonly updated: string;
	/** 0 to 1000: thousandths of the work. */
	readonly progress?: number;
	readonly estimated?: boolean;
};

/** Bytes: the status of a server with ten thousand databases has 4 MiB. */
export const largestStatus = 16 << 20;

export type StatusKind = 'status' | 'running' | 'drill';

export type StatusName = {
	readonly server: string;
	readonly kind: StatusKind;
	/** For a run of several processes; each process reports. */
	readonly shard?: Shard;
};

/** Returns the key of an object, relative to the root of the store. */
export function statusKey(fleetPrefix: string, server: string, kind: StatusKind, shard?: Shard): string {
	const part = shard ? `.shard-${shard.index}-of-${shard.of}` : '';
	return `${statusPrefix(fleetPrefix)}${server}${part}${kind === 'status' ? '' : `.${kind}`}.json`;
}

export function statusPrefix(fleetPrefix: string): string {
	return `${fleetRoot(fleetPrefix)}status/`;
}

export function expectedKey(fleetPrefix: string): string {
	return `${fleetRoot(fleetPrefix)}expected.txt`;
}

export function fleetRoot(fleetPrefix: string): string {
	return posix.join('/', fleetPrefix, '/').slice(1);
}

/** Inverts `statusKey`, for the part after the prefix; undefined for other objects. */
export function parseStatusName(name: string): StatusName | undefined {
	const [, server, index, of, kind] =
		/^([^/]+?)(?:\.shard-([1-9]\d{0,4})-of-([1-9]\d{0,4}))?(?:\.(running|drill))?\.json$/.exec(name) ?? [];
	if (server === undefined) return undefined;
	const shard = index === undefined ? {} : {shard: {index: Number(index), of: Number(of)}};
	return {server, kind: (kind ?? 'status') as StatusKind, ...shard};
}

/** Untrusted names and codes are limited to the length of a line. */
const short = text(value => value.length <= 1024, 'text of at most 1024 characters');
const instant = text(
	value => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(value) && !Number.isNaN(Date.parse(value)),
	'utc instant',
);
const schema: Decode<typeof statusSchema> = (value, place) => {
	if (value !== statusSchema) throw new DecodeError(place, 'schema that is known');
	return statusSchema;
};
const database: Decode<DatabaseStatus> = object({
	database: short,
	lastGood: optional(
		object({
			time: instant,
			bytes: count,
			seconds: count,
			milliseconds: optional(count),
			location: optional(string),
			key: optional(string),
		}),
	),
	lastRestored: optional(instant),
	lastProven: optional(instant),
	lastError: optional(object({time: instant, code: short})),
});
/** Maximum number of databases of a server: limits the memory that readers need. */
const mostDatabases = 50_000;

function few<T>(decode: Decode<T[]>): Decode<T[]> {
	return (value, place) => {
		if (Array.isArray(value) && value.length > mostDatabases)
			throw new DecodeError(place, `list of at most ${mostDatabases}`);
		return decode(value, place);
	};
}

const serverStatus: Decode<ServerStatus> = object({
	schema,
	server: short,
	host: short,
	version: short,
	serverVersion: optional(short),
	runId: short,
	start: instant,
	end: instant,
	exitCode: count,
	outcome: oneOf('done', 'failed', 'cancelled'),
	error: optional(short),
	expectEvery: optional(count),
	databases: few(list(database)),
});
const runningStatus: Decode<RunningStatus> = object({
	schema,
	server: short,
	host: short,
	runId: short,
	start: instant,
	updated: instant,
	progress: optional(count),
	estimated: optional(boolean),
});

export type Read<T> = {readonly value: T; readonly problem?: undefined} | {readonly problem: string};

/** Returns the status, or why the text is invalid; the status of another server is invalid. */
export function parseServerStatus(content: string, server: string): Read<ServerStatus> {
	return parse(content, server, serverStatus);
}

export function parseRunningStatus(content: string, server: string): Read<RunningStatus> {
	return parse(content, server, runningStatus);
}

function parse<T extends {readonly server: string}>(content: string, server: string, decode: Decode<T>): Read<T> {
	try {
		const value = decode(JSON.parse(content), '');
		return value.server === server ? {value} : {problem: 'it names another server'};
	} catch (error) {
		if (error instanceof SyntaxError) return {problem: 'invalid JSON'};
		if (error instanceof DecodeError) return {problem: error.message};
		throw error;
	}
}

/** Ignores the object of a finished run, left by a killed process or one without permission to delete. */
export function liveRun({
	status,
	running,
}: {
	readonly status?: ServerStatus;
	readonly running?: RunningStatus;
}): RunningStatus | undefined {
	if (running === undefined || status === undefined) return running;
	const isOver = running.runId === status.runId || Date.parse(running.start) < Date.parse(status.start);
	return isOver ? undefined : running;
}
