/** What failed, by reason: the same reason is said once, with a count. */
import type {JobState, RunState} from './run-state.js';
import {type ActiveWork, purposeOf} from './work-counts.js';

type FailureGroup = {
	readonly jobs: readonly JobState[];
	/** Without the names of single files: `connection refused`. */
	readonly reason: string;
	readonly hint?: string;
};

/** The error of a storage names the file and the place before its reason. */
const place =
	/^could not (?:upload|download|inspect|list|remove|connect to|clean up) .*? (?:to|from|at) [a-z0-9]+:\/\/\S*: (?=.)/;
const attempts = / \(gave up after \d+ attempts\)$/;

/** The message without the file and the place that it begins with, where the reader knows them. */
export function shortReason(message: string): string {
	return message.replace(place, '');
}

/** Failed and canceled jobs that have an error, grouped by what they are for and why; in the order of the first of each. */
export function failureGroups({jobs}: Pick<RunState, 'jobs'>): readonly FailureGroup[] {
	const groups = new Map<string, {readonly jobs: JobState[]; readonly reason: string; readonly hint?: string}>();
	for (const job of jobs.values()) {
		const {error, status} = job;
		if (error === undefined || (status !== 'failed' && status !== 'cancelled')) continue;
		const reason = shortReason(error.message).replace(attempts, '');
		const key = JSON.stringify([status, failedWork(job), reason]);
		const group = groups.get(key);
		if (group) group.jobs.push(job);
		else groups.set(key, {jobs: [job], reason, ...(error.hint !== undefined && {hint: error.hint})});
	}
	return [...groups.values()];
}

/** What of the job failed: a dump that is whole and could not be shipped is a failed upload. */
function failedWork(job: JobState): ActiveWork {
	return job.stage.upload?.state === 'failed' && job.files.length > 0 ? 'uploading' : purposeOf(job);
}

const nouns: Readonly<Record<ActiveWork, string>> = {
	dumping: 'dumps',
	uploading: 'uploads',
	downloading: 'downloads',
	decrypting: 'decryptions',
	verifying: 'verifications',
	restoring: 'restores',
};

/** `12 uploads failed: connection refused`; of a single job its name and its whole message. */
export function failureText({jobs, reason}: FailureGroup): string {
	const [first] = jobs;
	if (first === undefined) return '';
	if (jobs.length === 1) return `${first.name}: ${first.error?.message ?? ''}`;
	return `${jobs.length} ${nouns[failedWork(first)]} ${first.status}: ${reason}`;
}
