/** The names of jobs in the list: files without the directory that contains all of them. */
import {shortReason} from '../../core/failures.js';
import {isSkipped} from '../../core/jobs.js';
import type {JobState} from '../../core/run-state.js';
import {clean, type Glyphs} from '../glyphs.js';

const fileKinds: ReadonlySet<string> = new Set(['download', 'decrypt', 'upload', 'verify']);

export function isFileJob(job: JobState): boolean {
	return fileKinds.has(job.kind);
}

export function shownName(job: JobState, directory: string, glyphs: Glyphs): string {
	return clean(isFileJob(job) ? job.name.slice(directory.length) : job.name, glyphs);
}

/** Returns the reason without what the row already shows: the job, and what was done to it. */
export function shownReason(job: JobState, glyphs: Glyphs): string {
	const {error, result, status} = job;
	if (result && isSkipped(job)) return clean(`${result.result}: ${result.detail}`, glyphs);
	const text = error?.message ?? status;
	return clean(
		shortReason(text)
			.replace(/^(?:could not decrypt .*\.age|pg_dump of .*?: exit status \d+): (?=.)/, '')
			.replace(/^query failed: ERROR:\s+(?=.)/, ''),
		glyphs,
	);
}
