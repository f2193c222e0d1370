/** The state of a run as plain JSON, for another process. */
import {boolean, count, type Decode, dictionary, list, number, object, oneOf, optional, string} from '../lib/decode.js';
import {KeyedList} from '../lib/keyed-list.js';
import {TailList} from '../lib/tail-list.js';
import {
	byStage,
	command,
	eventError,
	fileShape,
	jobProgress,
	jobQuestion,
	jobResult,
	onlyTrue,
	outcome,
	plannedShape,
	runTotals,
	serverInfo,
	stageBytes,
} from './decode-parts.js';
import {logLevels} from './events.js';
import type {JobState, LogLine, RunState, StageStatus} from './run-state.js';

/** A state with its jobs and its log as arrays. */
export type Snapshot = Omit<RunState, 'jobs' | 'log'> & {
	readonly jobs: readonly JobState[];
	readonly log: readonly LogLine[];
};

export function takeSnapshot(state: RunState): Snapshot {
	return {...state, jobs: [...state.jobs.values()], log: state.log.slice()};
}

const stageStatus: Decode<StageStatus> = object({
	state: oneOf('waiting', 'running', 'done', 'failed'),
	startedAt: optional(number),
	finishedAt: optional(number),
	progress: optional(stageBytes),
});

const jobState: Decode<JobState> = object({
	...plannedShape,
	status: oneOf('waiting', 'running', 'done', 'failed', 'cancelled'),
	batch: count,
	attempt: count,
	canRetry: optional(onlyTrue),
	startedAt: optional(number),
	finishedAt: optional(number),
	stage: byStage(stageStatus),
	uploadTo: optional(dictionary(stageStatus)),
	progress: optional(jobProgress),
	error: optional(eventError),
	result: optional(jobResult),
	question: optional(jobQuestion),
	command: optional(string),
	output: list(string),
	files: list(object({...fileShape, removed: optional(onlyTrue)})),
	uploads: list(object({path: string, location: string, key: string, checked: string, adopted: optional(boolean)})),
});

const logLine: Decode<LogLine> = object({
	time: number,
	level: oneOf(...logLevels, 'hint'),
	text: string,
	job: optional(string),
	index: count,
});

const shape = {
	runId: string,
	command,
	version: string,
	host: string,
	pid: optional(count),
	serverName: optional(string),
	startedAt: number,
	time: number,
	phase: string,
	server: optional(serverInfo),
	concurrency: count,
	destinations: list(string),
	encryption: optional(string),
	totals: optional(runTotals),
	batch: count,
	jobs: list(jobState),
	log: list(logLine),
	logCount: count,
	warnings: count,
	network: optional(object({location: string, since: number, reason: optional(string)})),
	finished: optional(object({exitCode: count, outcome, error: optional(eventError), at: number})),
};

const snapshot: Decode<Snapshot> = object(shape);

/** Throws DecodeError for anything that is not a snapshot. */
export function decodeSnapshot(value: unknown): RunState {
	const {jobs, log, ...state} = snapshot(value, '');
	return {...state, jobs: KeyedList.of(jobs), log: TailList.of(log)};
}
