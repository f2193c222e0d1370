/** The state of a run: a pure function of its events, and the single source for every front end. No I/O. */
import {KeyedList} from '../lib/keyed-list.js';
import {TailList} from '../lib/tail-list.js';
import {describeEvent} from './describe.js';
import type {RunEvent} from './events.js';
import {applyToJob, type JobEvent, plannedState, withProgress} from './reduce-job.js';
import {withoutRetries} from './retries.js';
import type {JobState, LogLine, RunState} from './run-state.js';

export const maxLogLines = 1000;

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
	batch: 0,
	jobs: KeyedList.of<JobState>([]),
	log: TailList.of<LogLine>([]),
	logCount: 0,
	warnings: 0,
};

export function reduce(state: RunState, event: RunEvent): RunState {
	return withLog({...apply(state, event), time: event.time}, event);
}

function apply(state: RunState, event: RunEvent): RunState {
	// The reducer for a type accepts the events of that type.
	const reducer = reducers[event.type] as Reducer;
	return reducer(state, event);
}

type Reducer<E = RunEvent> = (state: RunState, event: E) => RunState;

const unchanged = (state: RunState): RunState => state;

const reducers: {readonly [T in RunEvent['type']]: Reducer<Extract<RunEvent, {type: T}>>} = {
	'run.started': (state, {runId, command, version, host, pid, serverName, time}) => ({
		...state,
		...{runId, command, version, host, pid, serverName},
		startedAt: time,
		finished: undefined,
		...(!hasOpenJobs(state) && {batch: state.batch + 1, totals: undefined, phase: ''}),
	}),
	'run.connected': (state, {server}) => ({...state, server}),
	'run.phase': (state, {phase}) => ({...state, phase}),
	'run.planned': (state, {concurrency, destinations, encryption, jobs}) => ({
		...state,
		concurrency,
		destinations: destinations.length > 0 ? destinations : state.destinations,
		encryption: encryption ?? state.encryption,
		jobs: KeyedList.of([...state.jobs.values(), ...jobs.map(job => plannedState(job, state.batch))]),
	}),
	'run.totals': (state, {bytes, eta, estimated, fraction, rate, totalBytes}) => ({
		...state,
		totals: {bytes, eta, estimated, fraction, rate, totalBytes},
	}),
	'run.finished': (state, {exitCode, outcome, error, time}) => ({
		...state,
		phase: 'finished',
		network: undefined,
		jobs: withoutRetries(state.jobs),
		finished: {exitCode, outcome, error, at: time},
	}),
	progress(state, event) {
		let {jobs} = state;
		for (const progress of event.jobs) {
			const job = jobs.get(progress.job);
			if (job?.status === 'running') jobs = jobs.with(withProgress(job, progress));
		}
		return {...state, jobs};
	},
	'job.queued': withJob,
	'job.started': withJob,
	'job.command': withJob,
	'job.output': withJob,
	'job.result': withJob,
	'job.asked': withJob,
	'job.finished': withJob,
	'stage.started': withJob,
	'stage.finished': withJob,
	'place.started': withJob,
	'place.finished': withJob,
	'file.published': withJob,
	'file.uploaded': withJob,
	'database.shrunk': (state, {database, percent}) => ({
		...state,
		shrunk: Object.fromEntries([...Object.entries(state.shrunk ?? {}), [database, percent]]),
	}),
	'file.removed': (state, {path}) => withoutFile(state, path),
	'file.kept': unchanged,
	'lock.waiting': unchanged,
	'lock.blocking': unchanged,
	'network.stalled': (state, {location, since, reason}) => {
		// The end of a stall at one place says nothing of another.
		if (since === undefined && state.network?.location !== location) return state;
		return {...state, network: since === undefined ? undefined : {location, since, reason}};
	},
	log: unchanged,
};

function withJob(state: RunState, event: JobEvent): RunState {
	const job = state.jobs.get(event.job);
	return job ? {...state, jobs: state.jobs.with(applyToJob(job, event))} : state;
}

function hasOpenJobs({jobs}: RunState): boolean {
	for (const {status} of jobs.values()) if (status === 'waiting' || status === 'running') return true;
	return false;
}

function withoutFile(state: RunState, path: string): RunState {
	const job = [...state.jobs.values()].find(({files}) => files.some(file => file.path === path));
	if (!job) return state; // belongs to another run
	const files = job.files.map(file => (file.path === path ? {...file, removed: true as const} : file));
	return {...state, jobs: state.jobs.with({...job, files})};
}

function withLog(state: RunState, event: RunEvent): RunState {
	const lines = describeEvent(event, state);
	if (lines.length === 0) return state;
	const added = lines.map((line, offset) => ({...line, time: event.time, index: state.logCount + offset}));
	return {
		...state,
		log: state.log.with(added, maxLogLines),
		logCount: state.logCount + added.length,
		warnings: state.warnings + lines.filter(line => line.level === 'warn').length,
	};
}
