/** The state of a run: a pure function of its events, and the only truth that a front end shows. No I/O. */
import type {
	Command,
	EventError,
	JobProgress,
	JobResult,
	LogLevel,
	Outcome,
	PlannedJob,
	PublishedFile,
	RunEvent,
	RunTotals,
	ServerInfo,
	StageName,
	StageProgress,
} from './events.js';
import {KeyedList} from '../lib/keyed-list.js';
import {describeEvent} from './describe.js';
import {mainFile} from './main-file.js';

export type StageState = 'waiting' | 'running' | 'done' | 'failed';

export type StageStatus = {
	readonly state: StageState;
	/** Milliseconds since the epoch. */
	readonly startedAt?: number;
	readonly finishedAt?: number;
	readonly progress?: StageProgress;
};

export type UploadedFile = {
	readonly path: string;
	readonly location: string;
	readonly key: string;
	readonly checked: string;
};

export type JobFile = PublishedFile & {
	/** It is not here any more: it was uploaded and checked. */
	readonly removed?: true;
};

export type JobState = PlannedJob & {
	readonly status: 'waiting' | 'running' | Outcome;
	readonly attempt: number;
	/** Milliseconds since the epoch. */
	readonly startedAt?: number;
	readonly finishedAt?: number;
	readonly stage: {readonly [S in StageName]?: StageStatus};
	/** While it runs. */
	readonly progress?: JobProgress;
	readonly error?: EventError;
	/** Of a job that is done. */
	readonly result?: JobResult;
	readonly command?: string;
	/** The last lines that its children wrote. */
	readonly output: readonly string[];
	readonly files: readonly JobFile[];
	readonly uploads: readonly UploadedFile[];
};

export type LogLine = {
	readonly time: number;
	readonly level: LogLevel;
	readonly text: string;
	readonly job?: string;
	/** Counts from 0 over the whole run: a stable key. */
	readonly index: number;
};

export type RunState = {
	readonly runId: string;
	readonly command: Command;
	readonly version: string;
	/** The machine that pg_back runs on. */
	readonly host: string;
	/** Milliseconds since the epoch; 0 before the first event. */
	readonly startedAt: number;
	/** The time of the newest event. */
	readonly time: number;
	readonly phase: string;
	readonly server?: ServerInfo;
	readonly concurrency: number;
	readonly destinations: readonly string[];
	readonly encryption?: string;
	readonly totals?: RunTotals;
	readonly jobs: KeyedList<JobState>;
	/** The newest lines, `maxLogLines` at the most. */
	readonly log: readonly LogLine[];
	readonly logCount: number;
	readonly warnings: number;
	readonly finished?: {
		readonly exitCode: number;
		readonly outcome: Outcome;
		readonly error?: EventError;
		readonly at: number;
	};
};

export const maxLogLines = 1000;
const maxOutputLines = 200;

export const emptyState: RunState = {
	runId: '',
	command: 'console',
	version: '',
	host: '',
	startedAt: 0,
	time: 0,
	phase: '',
	concurrency: 1,
	destinations: [],
	jobs: KeyedList.of<JobState>([]),
	log: [],
	logCount: 0,
	warnings: 0,
};

export function reduce(state: RunState, event: RunEvent): RunState {
	return withLog({...apply(state, event), time: event.time}, event);
}

function apply(state: RunState, event: RunEvent): RunState {
	switch (event.type) {
		case 'run.started':
			return {
				...state,
				runId: event.runId,
				command: event.command,
				version: event.version,
				host: event.host,
				startedAt: event.time,
				finished: undefined,
			};
		case 'run.connected':
			return {...state, server: event.server};
		case 'run.phase':
			return {...state, phase: event.phase};
		case 'run.planned':
			return {
				...state,
				concurrency: event.concurrency,
				destinations: event.destinations.length > 0 ? event.destinations : state.destinations,
				encryption: event.encryption ?? state.encryption,
				jobs: KeyedList.of([...state.jobs.values(), ...event.jobs.map(plannedState)]),
			};
		case 'run.totals': {
			const {bytes, eta, estimated, fraction, rate, totalBytes} = event;
			return {...state, totals: {bytes, eta, estimated, fraction, rate, totalBytes}};
		}
		case 'run.finished':
			return {
				...state,
				phase: 'finished',
				finished: {exitCode: event.exitCode, outcome: event.outcome, error: event.error, at: event.time},
			};
		case 'progress': {
			let {jobs} = state;
			for (const progress of event.jobs) {
				const job = jobs.get(progress.job);
				if (job?.status === 'running') jobs = jobs.with(withProgress(job, progress));
			}
			return {...state, jobs};
		}
		case 'job.started':
		case 'job.command':
		case 'job.output':
		case 'job.result':
		case 'job.finished':
		case 'stage.started':
		case 'stage.finished':
		case 'file.published':
		case 'file.uploaded': {
			const job = state.jobs.get(event.job);
			return job ? {...state, jobs: state.jobs.with(applyToJob(job, event))} : state;
		}
		case 'file.removed':
			return withoutFile(state, event.path);
		case 'file.kept':
		case 'lock.waiting':
		case 'lock.blocking':
		case 'log':
			return state;
	}
}

type JobEvent = Extract<
	RunEvent,
	{
		type:
			| 'job.started'
			| 'job.command'
			| 'job.output'
			| 'job.result'
			| 'job.finished'
			| 'stage.started'
			| 'stage.finished'
			| 'file.published'
			| 'file.uploaded';
	}
>;

function applyToJob(job: JobState, event: JobEvent): JobState {
	switch (event.type) {
		case 'job.started':
			return {...plannedState(job), status: 'running', attempt: event.attempt, startedAt: event.time};
		case 'job.command':
			return {...job, command: event.command};
		case 'job.output':
			return {...job, output: [...job.output, event.line].slice(-maxOutputLines)};
		case 'job.result':
			return {...job, result: {result: event.result, detail: event.detail}};
		case 'job.finished':
			if (event.again) return {...plannedState(job), attempt: job.attempt};
			return {
				...job,
				status: event.outcome,
				error: event.error,
				finishedAt: event.time,
				stage: settleStages(job, event.time),
				progress: undefined,
			};
		case 'stage.started':
			return withStage(job, event.stage, {state: 'running', startedAt: event.time});
		case 'stage.finished': {
			const before = job.stage[event.stage];
			const progress =
				event.bytesIn === undefined
					? before?.progress
					: {bytesIn: event.bytesIn, bytesOut: event.bytesOut ?? event.bytesIn};
			const state = event.outcome === 'done' ? 'done' : 'failed';
			return withStage(job, event.stage, {...before, state, finishedAt: event.time, progress});
		}
		case 'file.published':
			return {...job, files: [...job.files, event.file]};
		case 'file.uploaded': {
			const {path, location, key, checked} = event;
			return {...job, uploads: [...job.uploads, {path, location, key, checked}]};
		}
	}
}

function withoutFile(state: RunState, path: string): RunState {
	const job = [...state.jobs.values()].find(({files}) => files.some(file => file.path === path));
	if (!job) return state; // of another run
	const files = job.files.map(file => (file.path === path ? {...file, removed: true as const} : file));
	return {...state, jobs: state.jobs.with({...job, files})};
}

function plannedState(job: PlannedJob): JobState {
	const {id, kind, name, stages, estimatedBytes, format} = job;
	return {
		id,
		kind,
		name,
		stages,
		estimatedBytes,
		format,
		status: 'waiting',
		attempt: 0,
		stage: Object.fromEntries(stages.map(stage => [stage, {state: 'waiting'}])),
		output: [],
		files: [],
		uploads: [],
	};
}

/** A stage that still ran when its job ended did not succeed. */
function settleStages(job: JobState, time: number): JobState['stage'] {
	return Object.fromEntries(
		Object.entries(job.stage).map(([name, stage]) =>
			stage.state === 'running' ? [name, {...stage, state: 'failed', finishedAt: time}] : [name, stage],
		),
	);
}

function withStage(job: JobState, stage: StageName, status: StageStatus): JobState {
	return {...job, stage: {...job.stage, [stage]: status}};
}

function withProgress(job: JobState, progress: JobProgress): JobState {
	const stage = {...job.stage};
	for (const [name, bytes] of Object.entries(progress.stages) as [StageName, StageProgress][]) {
		const before = stage[name];
		if (before) stage[name] = {...before, progress: bytes};
	}
	return {...job, progress, stage};
}

function withLog(state: RunState, event: RunEvent): RunState {
	const lines = describeEvent(event, state);
	if (lines.length === 0) return state;
	const added = lines.map((line, offset) => ({...line, time: event.time, index: state.logCount + offset}));
	return {
		...state,
		log: [...state.log, ...added].slice(-maxLogLines),
		logCount: state.logCount + added.length,
		warnings: state.warnings + lines.filter(line => line.level === 'warn').length,
	};
}

export type JobCounts = {readonly [S in JobState['status']]: number};

export function countJobs(state: RunState): JobCounts {
	const counts = {waiting: 0, running: 0, done: 0, failed: 0, cancelled: 0};
	for (const job of state.jobs.values()) counts[job.status]++;
	return counts;
}

/** `done`, `failed`, `skipped` …: one word for what became of a job. */
export function jobWord({status, result}: JobState): string {
	return status === 'done' ? (result?.result ?? status) : status;
}

/** Nothing was made, and that is no failure. */
export function isSkipped({status, result}: JobState): boolean {
	return status === 'done' && (result?.result === 'skipped' || result?.result === 'gone');
}

/** Bytes of a job's files on disk; before they are there, what left its last stage that has counted any. */
export function jobBytes(job: JobState): number {
	if (job.kind === 'upload')
		return job.uploads.length > 0 ? (job.estimatedBytes ?? 0) : (job.stage.upload?.progress?.bytesOut ?? 0);
	if (job.kind === 'download') return mainFile(job)?.size ?? job.stage.download?.progress?.bytesOut ?? 0;
	if (job.files.length > 0) return job.files.reduce((sum, file) => sum + (file.role === 'checksum' ? 0 : file.size), 0);
	for (const stage of job.stages.toReversed()) {
		const progress = job.stage[stage]?.progress;
		if (progress && progress.bytesOut > 0 && stage !== 'upload') return progress.bytesOut;
	}
	return 0;
}
