/** What an event does to the state of its job. Pure. */
import type {JobProgress, PlannedJob, RunEvent, StageName, StageProgress} from './events.js';
import type {JobState, StageStatus} from './run-state.js';

const maxOutputLines = 200;

/** The events that change one job, except its progress. */
export type JobEvent = Extract<
	RunEvent,
	{type: `job.${string}` | `stage.${string}` | `place.${string}` | 'file.published' | 'file.uploaded'}
>;

export function applyToJob(job: JobState, event: JobEvent): JobState {
	switch (event.type) {
		case 'job.queued':
			return {...startOver(job, event.from), attempt: job.attempt};
		case 'job.started':
			return {...startOver(job, event.from), status: 'running', attempt: event.attempt, startedAt: event.time};
		case 'job.command':
			return {...job, command: event.command};
		case 'job.output':
			return {...job, output: [...job.output, event.line].slice(-maxOutputLines)};
		case 'job.result':
			return {...job, result: {result: event.result, detail: event.detail}};
		case 'job.asked':
			return {...job, question: event.question};
		case 'job.finished':
			if (event.again) return {...plannedState(job, job.batch), attempt: job.attempt};
			return {
				...job,
				status: event.outcome,
				error: event.error,
				finishedAt: event.time,
				...(event.outcome !== 'done' && {canRetry: true}),
				stage: settleStages(job.stage, event.time),
				...(job.uploadTo && {uploadTo: settleStages(job.uploadTo, event.time)}),
				progress: undefined,
				question: undefined,
			};
		case 'file.published':
			return {...job, files: [...job.files, {...event.file, ...(event.file.streamed && {removed: true})}]};
		case 'file.uploaded': {
			const {path, location, key, checked, adopted} = event;
			const upload = {path, location, key, checked, ...(adopted && {adopted})};
			return {...job, uploads: [...job.uploads, upload]};
		}
		default:
			return applyToStages(job, event);
	}
}

type StageEvent = Extract<JobEvent, {type: `stage.${string}` | `place.${string}`}>;

function applyToStages(job: JobState, event: StageEvent): JobState {
	switch (event.type) {
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
		case 'place.started':
			return withPlace(job, event.place, {state: 'running', startedAt: event.time});
		case 'place.finished': {
			const {place, outcome, bytes, time} = event;
			const status = {state: outcome === 'done' ? 'done' : 'failed', finishedAt: time} as const;
			return withPlace(job, place, {...job.uploadTo?.[place], ...status, progress: {bytesIn: bytes, bytesOut: bytes}});
		}
	}
}

export function plannedState(job: PlannedJob, batch: number): JobState {
	const {id, kind, name, stages, places, estimatedBytes, format} = job;
	return {
		id,
		kind,
		name,
		stages,
		estimatedBytes,
		format,
		batch,
		status: 'waiting',
		attempt: 0,
		stage: Object.fromEntries(stages.map(stage => [stage, {state: 'waiting'}])),
		...(places && {places, uploadTo: Object.fromEntries(places.map(place => [place, {state: 'waiting'}]))}),
		output: [],
		files: [],
		uploads: [],
	};
}

function withPlace(job: JobState, place: string, status: StageStatus): JobState {
	return {...job, uploadTo: {...job.uploadTo, [place]: status}};
}

/** Resets a job to its planned state; with `from`, the results of earlier stages are kept. */
function startOver(job: JobState, from: StageName | undefined): JobState {
	if (from === undefined) return plannedState(job, job.batch);
	const {files, uploads, command, output} = job;
	return {
		...plannedState(job, job.batch),
		files,
		uploads,
		command,
		output,
		stage: {...job.stage, [from]: {state: 'waiting'}},
		...(job.uploadTo && {uploadTo: unfinished(job.uploadTo)}),
	};
}

/** A place that has everything keeps it. */
function unfinished(places: NonNullable<JobState['uploadTo']>): JobState['uploadTo'] {
	return Object.fromEntries(
		Object.entries(places).map(([place, status]) => [place, status.state === 'done' ? status : {state: 'waiting'}]),
	);
}

/** Marks stages that were still running as not succeeded when their job ends. */
function settleStages<T extends Readonly<Record<string, StageStatus>>>(stages: T, time: number): T {
	return Object.fromEntries(
		Object.entries(stages).map(([name, stage]) =>
			stage.state === 'running' ? [name, {...stage, state: 'failed', finishedAt: time}] : [name, stage],
		),
	) as T;
}

function withStage(job: JobState, stage: StageName, status: StageStatus): JobState {
	return {...job, stage: {...job.stage, [stage]: status}};
}

export function withProgress(job: JobState, progress: JobProgress): JobState {
	const stage = {...job.stage};
	for (const [name, bytes] of Object.entries(progress.stages) as [StageName, StageProgress][]) {
		const before = stage[name];
		if (!before) continue;
		stage[name] = {...before, progress: bytes};
	}
	return {...job, progress, stage};
}
