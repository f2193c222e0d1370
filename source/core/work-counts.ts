/**
 * Counts jobs by activity: the one count that the header, the log and `--status` show. Uploads are counted apart from
 * dumps.
 */
import type {JobKind} from './events.js';
import {isSkipped} from './jobs.js';
import type {JobState, RunState} from './run-state.js';

/** The measured activities, in display order. */
export const activeWork = ['dumping', 'uploading', 'downloading', 'decrypting', 'verifying', 'restoring'] as const;
export type ActiveWork = (typeof activeWork)[number];

/** `toUpload`: complete, and not being sent. */
export const workKinds = [
	...activeWork,
	'toUpload',
	'waiting',
	'done',
	'skipped',
	'failed',
	'cancelled',
] as const satisfies readonly string[];
export type WorkKind = (typeof workKinds)[number];

export type WorkCounts = {readonly [K in WorkKind]: number};

const workOfKind: {readonly [K in JobKind]: ActiveWork} = {
	database: 'dumping',
	globals: 'dumping',
	settings: 'dumping',
	hba: 'dumping',
	ident: 'dumping',
	decrypt: 'decrypting',
	download: 'downloading',
	upload: 'uploading',
	verify: 'verifying',
	restore: 'restoring',
};

/** Returns the activity that jobs of this kind exist for. */
export function purposeOf({kind}: Pick<JobState, 'kind'>): ActiveWork {
	return workOfKind[kind];
}

/**
 * Returns the current activity of one job. A dump that is uploaded while it is written counts as a dump until it is
 * complete.
 */
export function workOf(job: JobState): WorkKind {
	if (isSkipped(job)) return 'skipped';
	if (job.status !== 'running') return job.status === 'waiting' && job.kind === 'upload' ? 'toUpload' : job.status;
	const purpose = purposeOf(job);
	const isUpload =
		purpose === 'uploading' || (purpose === 'dumping' && job.files.length > 0 && job.stages.includes('upload'));
	return isUpload ? (isSending(job) ? 'uploading' : 'toUpload') : purpose;
}

/** Events of older versions do not show whether the upload has its slot. */
function isSending({progress, stage}: JobState): boolean {
	return progress?.upload === undefined ? stage.upload?.state === 'running' : progress.upload === 'sending';
}

/** Counts all jobs of the state, including those of earlier runs of the same console. */
export function countWork(state: Pick<RunState, 'jobs'>): WorkCounts {
	const counts = Object.fromEntries(workKinds.map(kind => [kind, 0])) as Record<WorkKind, number>;
	for (const job of state.jobs.values()) counts[workOf(job)]++;
	return counts;
}

/** Counts the dumps that block other sessions by their locks. */
export function countBlocking({jobs}: Pick<RunState, 'jobs'>): number {
	return [...jobs.values()].filter(job => job.status === 'running' && (job.progress?.blocking?.length ?? 0) > 0).length;
}

export function workWord(kind: WorkKind): string {
	return kind === 'toUpload' ? 'to upload' : kind;
}

/** Returns `3 dumping`, `2 uploading`, `9 to upload`, `5 done` and so on; zero counts are omitted. */
export function countTexts(counts: WorkCounts): readonly string[] {
	return workKinds.filter(kind => counts[kind] > 0).map(kind => `${counts[kind]} ${workWord(kind)}`);
}
