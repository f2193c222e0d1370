/** Decoders for the parts of events and states that come from another process or from a file. */
import {
	boolean,
	count,
	type Decode,
	DecodeError,
	list,
	number,
	object,
	oneOf,
	optional,
	string,
	text,
} from '../lib/decode.js';
import {type ErrorCode, errorCodes} from './errors.js';
import {
	type Command,
	type EventError,
	jobKinds,
	type JobProgress,
	type JobQuestion,
	type JobResult,
	type Outcome,
	type PlannedJob,
	type PublishedFile,
	type RunTotals,
	type ServerInfo,
	type StageName,
	stageNames,
} from './events.js';

export const outcome: Decode<Outcome> = oneOf('done', 'failed', 'cancelled');
export const stageName: Decode<StageName> = oneOf(...stageNames);
/** Any string: a newer version may have more commands, and the value is only displayed. */
export const command = string as Decode<Command>;

export const eventError: Decode<EventError> = object({
	code: text(value => Object.hasOwn(errorCodes, value), 'error code') as Decode<ErrorCode>,
	message: string,
	hint: optional(string),
	output: optional(list(string)),
	skip: optional(list(string)),
});

export const jobResult: Decode<JobResult> = object({
	result: oneOf('skipped', 'gone', 'restored', 'proven', 'verified', 'hashed', 'fetched'),
	detail: string,
});

export const jobQuestion: Decode<JobQuestion> = object({
	kind: oneOf('replace'),
	name: string,
	present: string,
	restored: string,
});

export const plannedShape = {
	id: string,
	kind: oneOf(...jobKinds),
	name: string,
	stages: list(stageName),
	places: optional(list(string)),
	estimatedBytes: optional(number),
	format: optional(string),
};
export const plannedJob: Decode<PlannedJob> = object(plannedShape);

export const serverInfo: Decode<ServerInfo> = object({
	version: string,
	versionNumber: count,
	inRecovery: boolean,
	host: string,
	port: string,
	user: string,
	superuser: boolean,
	systemIdentifier: optional(string),
});

export const fileShape = {
	path: string,
	role: oneOf('dump', 'globals', 'settings', 'hba', 'ident', 'createdb', 'checksum', 'manifest', 'other'),
	size: number,
	plainSha256: optional(string),
	plainSize: optional(number),
	sha256: optional(string),
	encrypted: boolean,
	directory: optional(boolean),
	streamed: optional(boolean),
};
export const publishedFile: Decode<PublishedFile> = object(fileShape);

/** Decodes a field that is either true or absent. */
export const onlyTrue: Decode<true> = (value, place) => {
	if (!boolean(value, place)) throw new DecodeError(place, 'true');
	return true;
};

/** An amount that a damaged or hostile writer made negative is none. */
const amount: Decode<number> = (value, place) => Math.max(0, number(value, place));

/** 0 to 1. */
const share: Decode<number> = (value, place) => Math.min(1, amount(value, place));

export const stageBytes = object({bytesIn: amount, bytesOut: amount, present: optional(amount)});

/** Decodes an object keyed by stage names. */
export function byStage<T>(of: Decode<T>): Decode<{readonly [S in StageName]?: T}> {
	return object(Object.fromEntries(stageNames.map(name => [name, optional(of)])));
}

export const lockInfo = object({
	table: string,
	mode: string,
	pid: number,
	user: optional(string),
	application: optional(string),
	statement: optional(string),
	waiting: number,
});

const tableProgress = object({
	name: string,
	bytes: amount,
	rows: amount,
	fraction: optional(share),
	estimated: optional(boolean),
});

export const jobProgress: Decode<JobProgress> = object({
	job: string,
	stages: byStage(stageBytes),
	fraction: optional(share),
	estimated: optional(boolean),
	rate: optional(amount),
	eta: optional(amount),
	tables: optional(list(tableProgress)),
	read: optional(amount),
	readTotal: optional(amount),
	readRate: optional(amount),
	tablesDone: optional(amount),
	tablesTotal: optional(amount),
	activity: optional(string),
	waitEvent: optional(string),
	blockedBy: optional(list(lockInfo)),
	blocking: optional(list(lockInfo)),
	limitedBy: optional(string),
	upload: optional(oneOf('waiting', 'sending')),
});

export const runTotals: Decode<RunTotals> = object({
	fraction: optional(share),
	estimated: optional(boolean),
	bytes: amount,
	totalBytes: optional(amount),
	rate: optional(amount),
	eta: optional(amount),
});
