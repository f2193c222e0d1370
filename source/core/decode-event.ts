/** Decodes events that another process or another version of pg_back wrote. */
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
} from '../lib/decode.js';
import {
	command,
	eventError,
	jobProgress,
	jobQuestion,
	jobResult,
	lockInfo,
	onlyTrue,
	outcome,
	plannedJob,
	publishedFile,
	runTotals,
	serverInfo,
	stageName,
} from './decode-parts.js';
import {type EventPayloads, eventSchema, type EventType, logLevels, type RunEvent} from './events.js';

const job = string;

/** Milliseconds since the epoch, within what a Date can hold. */
const instant: Decode<number> = (value, place) => {
	const time = number(value, place);
	if (Math.abs(time) > 8.64e15) throw new DecodeError(place, 'time');
	return time;
};

/** Accepts the schema number of a newer version: newer versions only add fields and event types. */
const schema: Decode<typeof eventSchema> = (value, place) => {
	count(value, place);
	return eventSchema;
};

const payloads: {readonly [K in EventType]: Decode<EventPayloads[K]>} = {
	'run.started': object({
		schema,
		runId: string,
		command,
		version: string,
		host: string,
		pid: count,
		serverName: optional(string),
	}),
	'run.connected': object({server: serverInfo}),
	'run.phase': object({phase: string, text: optional(string)}),
	'run.planned': object({
		jobs: list(plannedJob),
		concurrency: count,
		destinations: list(string),
		encryption: optional(string),
	}),
	'run.totals': runTotals,
	'run.finished': object({exitCode: count, outcome, error: optional(eventError)}),
	'job.queued': object({job, from: optional(stageName)}),
	'job.started': object({job, attempt: count, from: optional(stageName)}),
	'job.command': object({job, command: string}),
	'job.output': object({job, line: string}),
	'job.asked': object({job, question: optional(jobQuestion)}),
	'job.finished': object({job, outcome, error: optional(eventError), again: optional(onlyTrue)}),
	'job.result': (value, place) => ({...object({job})(value, place), ...jobResult(value, place)}),
	'stage.started': object({job, stage: stageName}),
	'stage.finished': object({
		job,
		stage: stageName,
		outcome,
		bytesIn: optional(number),
		bytesOut: optional(number),
	}),
	'place.started': object({job, place: string}),
	'place.finished': object({job, place: string, outcome, bytes: number}),
	progress: object({jobs: list(jobProgress)}),
	'file.published': object({job, file: publishedFile}),
	'file.uploaded': object({
		job,
		path: string,
		location: string,
		key: string,
		size: number,
		seconds: number,
		checked: string,
		adopted: optional(boolean),
	}),
	'database.shrunk': object({
		job,
		database: string,
		measure: oneOf('bytes', 'rows'),
		before: count,
		now: count,
		percent: number,
	}),
	'file.removed': object({path: string, location: string, reason: string}),
	'file.kept': object({path: string, location: string, reason: string, locked: optional(boolean)}),
	'lock.waiting': object({job, blockedBy: list(lockInfo)}),
	'lock.blocking': object({job, blocking: list(lockInfo)}),
	'network.stalled': object({location: string, since: optional(instant), reason: optional(string)}),
	log: object({level: oneOf(...logLevels), text: string, job: optional(string)}),
};

/** Returns undefined for an event type that only a newer version knows. Throws DecodeError for a damaged event. */
export function decodeEvent(value: unknown): RunEvent | undefined {
	const {type, time} = object({type: string, time: instant})(value, '');
	if (!Object.hasOwn(payloads, type)) return undefined;
	const decode: Decode<object> = payloads[type as EventType];
	return {...decode(value, ''), type, time} as RunEvent;
}
