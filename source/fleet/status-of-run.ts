/** Computes the status of a server from the state of a run and the status of earlier runs. Pure. */
import {isSkipped, jobBytes} from '../core/jobs.js';
import type {JobState, RunState} from '../core/run-state.js';
import {type DatabaseStatus, type RunningStatus, type ServerStatus, statusSchema} from './status.js';

export type StatusOptions = {
	readonly server: string;
	/** Seconds; 0: not configured. */
	readonly expectEvery: number;
	/** Databases were named: nothing is known about the others. */
	readonly partial: boolean;
};

/** Returns the status after a finished backup; undefined when it never started. */
export function statusOfBackup(
	state: RunState,
	before: ServerStatus | undefined,
	options: StatusOptions,
): ServerStatus | undefined {
	if (state.startedAt === 0) return undefined;
	const jobs = [...state.jobs.values()].filter(({kind}) => kind === 'database');
	const databases = new Map((before?.databases ?? []).map(one => [one.database, one] as const));
	// A run that failed before its plan has no information about databases; a complete one also shows which no longer
	// exist.
	const dumped = new Set(jobs.map(({name}) => name));
	if (jobs.length > 0 && !options.partial)
		for (const name of databases.keys()) if (!dumped.has(name)) databases.delete(name);
	for (const job of jobs) {
		if (isSkipped(job)) databases.delete(job.name);
		else databases.set(job.name, statusOfDatabase(job, state, databases.get(job.name)));
	}
	return {...endOf(state, options), databases: [...databases.values()]};
}

/** Returns the status after a restore drill; undefined when it restored nothing. */
export function statusOfDrill(
	state: RunState,
	before: ServerStatus | undefined,
	options: StatusOptions,
): ServerStatus | undefined {
	const drilled = [...state.jobs.values()].filter(
		job =>
			job.kind === 'restore' &&
			job.batch === state.batch &&
			job.stages.includes('verify') &&
			job.status === 'done' &&
			!isSkipped(job),
	);
	if (drilled.length === 0) return undefined;
	const databases = new Map((before?.databases ?? []).map(one => [one.database, one] as const));
	for (const job of drilled) {
		const time = instant(job.finishedAt ?? state.time);
		databases.set(job.name, {
			...(databases.get(job.name) ?? {database: job.name}),
			lastRestored: time,
			...(job.result?.result === 'proven' && {lastProven: time}),
		});
	}
	return {...endOf(state, options), databases: [...databases.values()]};
}

export function statusOfRunning(state: RunState, server: string, now: number): RunningStatus {
	const {fraction, estimated} = state.totals ?? {};
	return {
		schema: statusSchema,
		server,
		host: state.host,
		runId: state.runId,
		start: instant(state.startedAt),
		updated: instant(now),
		...(fraction !== undefined && {progress: Math.round(fraction * 1000)}),
		...(estimated !== undefined && {estimated}),
	};
}

function endOf(state: RunState, {server, expectEvery}: StatusOptions): Omit<ServerStatus, 'databases'> {
	const {finished} = state;
	return {
		schema: statusSchema,
		server,
		host: state.host,
		version: state.version,
		...(state.server && {serverVersion: state.server.version}),
		runId: state.runId,
		start: instant(state.startedAt),
		end: instant(finished?.at ?? state.time),
		exitCode: finished?.exitCode ?? 70,
		outcome: finished?.outcome ?? 'failed',
		...(finished?.error && {error: finished.error.code}),
		...(expectEvery > 0 && {expectEvery}),
	};
}

function statusOfDatabase(job: JobState, state: RunState, before: DatabaseStatus | undefined): DatabaseStatus {
	const {lastError: _ended, ...kept} = before ?? {database: job.name};
	if (job.status !== 'done') {
		const code = job.error?.code ?? (job.status === 'failed' ? 'FAILED' : 'CANCELLED');
		return {...kept, lastError: {time: instant(job.finishedAt ?? state.time), code}};
	}
	const started = job.startedAt ?? state.startedAt;
	const isAdopted = job.uploads.some(({adopted}) => adopted);
	const took = Math.round((job.finishedAt ?? state.time) - started);
	const milliseconds = isAdopted ? before?.lastGood?.milliseconds : took;
	const upload = job.uploads.find(({path}) => job.files.some(file => file.path === path && file.role === 'dump'));
	return {
		...kept,
		lastGood: {
			time: instant(started),
			bytes: jobBytes(job),
			seconds: Math.round(took / 1000),
			...(milliseconds !== undefined && {milliseconds}),
			...(upload && {location: upload.location, key: upload.key}),
		},
	};
}

function instant(time: number): string {
	return new Date(time).toISOString();
}
