/**
 * The progress of the whole work: one quantity in bytes, from which bar, percentage, rate, remaining time and words are
 * computed. Pure.
 */
import {sum} from '../lib/sum.js';
import {isSkipped, jobBytes} from './jobs.js';
import type {JobState, RunState} from './run-state.js';
import {type ActiveWork, purposeOf, workOf} from './work-counts.js';

export type WorkShare = {
	/** The measured activity. */
	readonly word: ActiveWork;
	/** Bytes so far, of `totalBytes` if that is known. */
	readonly bytes: number;
	readonly totalBytes?: number;
	/** `bytes / totalBytes`; never 1 before the end. */
	readonly fraction?: number;
	readonly estimated: boolean;
	/** Bytes per second. */
	readonly rate?: number;
	/** Seconds; absent while nothing moves. */
	readonly eta?: number;
	/** Counts of files, for jobs on files. */
	readonly files?: {readonly done: number; readonly of: number};
};

const most = 0.995;

/** Returns the jobs of the current work, or of the work that ended last. */
export function currentJobs(state: RunState): readonly JobState[] {
	return [...state.jobs.values()].filter(job => job.batch === state.batch);
}

/** Returns undefined while nothing can be measured. */
export function workShare(state: RunState): WorkShare | undefined {
	const jobs = currentJobs(state).filter(job => job.status !== 'failed' && job.status !== 'cancelled');
	const open = jobs.filter(job => job.status === 'running' || job.status === 'waiting');
	const dumps = open.filter(job => purposeOf(job) === 'dumping');
	if (dumps.some(job => job.status === 'waiting' || workOf(job) === 'dumping')) {
		const {totals} = state;
		if (totals === undefined) return undefined;
		const moves = (totals.rate ?? 0) > 0;
		return {
			...measured('dumping', totals.bytes, totals.totalBytes),
			estimated: totals.estimated ?? false,
			...(moves && {rate: totals.rate}),
			...(totals.eta !== undefined &&
				(moves || totals.rate === undefined || open.some(isSending)) && {eta: totals.eta}),
		};
	}
	const [first] = open;
	if (first === undefined) return undefined;
	const uploads = dumps.length > 0 || purposeOf(first) === 'uploading';
	const counted = jobs.filter(job => (uploads ? job.stage.upload !== undefined : purposeOf(job) === purposeOf(first)));
	return transferShare(counted, uploads ? 'uploading' : purposeOf(first));
}

function transferShare(jobs: readonly JobState[], word: ActiveWork): WorkShare {
	const isUpload = word === 'uploading';
	const sizeOf = (job: JobState) => (isUpload && job.kind !== 'upload' ? jobBytes(job) : job.estimatedBytes);
	const sizes = jobs.map(sizeOf);
	const known = sizes.every(size => size !== undefined);
	const bytes = sum(jobs.map(job => doneBytes(job, sizeOf(job), isUpload)));
	const total = known ? sum(sizes) : undefined;
	const rate = sum(jobs.map(job => (job.status === 'running' ? (job.progress?.rate ?? 0) : 0)));
	return {
		...measured(word, bytes, total),
		estimated: word === 'restoring',
		rate,
		...(total !== undefined && rate > 0 && {eta: Math.max(0, total - bytes) / rate}),
		files: {done: jobs.filter(job => job.status === 'done').length, of: jobs.length},
	};
}

function doneBytes(job: JobState, size: number | undefined, isUpload: boolean): number {
	if (job.status === 'done') return isSkipped(job) ? 0 : (size ?? jobBytes(job));
	if (job.status !== 'running') return 0;
	const [first] = job.stages;
	const stage = isUpload ? job.stage.upload : first && job.stage[first];
	const bytes = stage?.state === 'done' ? size : stage?.progress?.[isUpload ? 'bytesOut' : 'bytesIn'];
	return Math.min(bytes ?? 0, size ?? Infinity);
}

function measured(word: ActiveWork, bytes: number, totalBytes: number | undefined) {
	const fraction = totalBytes !== undefined && totalBytes > 0 ? Math.min(most, bytes / totalBytes) : undefined;
	return {
		word,
		bytes,
		...(totalBytes !== undefined && {totalBytes: Math.max(bytes, totalBytes)}),
		...(fraction !== undefined && {fraction}),
	};
}

function isSending(job: JobState): boolean {
	return job.status === 'running' && (job.progress?.rate ?? 0) > 0;
}
