/** What a job is called in the list: files without the directory that all of them are in. */
import {isSkipped, type JobState} from '../../core/state.js';
import {clean, type Glyphs} from '../glyphs.js';

const fileKinds: ReadonlySet<string> = new Set(['download', 'decrypt', 'upload', 'verify', 'restore']);

export function isFileJob(job: JobState): boolean {
	return fileKinds.has(job.kind);
}

export function shownName(job: JobState, directory: string, glyphs: Glyphs): string {
	return clean(isFileJob(job) ? job.name.slice(directory.length) : job.name, glyphs);
}

/** Without what the row says already: which job, and what was done to it. */
export function shownReason(job: JobState, glyphs: Glyphs): string {
	const {error, result, status} = job;
	if (result && isSkipped(job)) return clean(`${result.result}: ${result.detail}`, glyphs);
	const text = error?.message ?? status;
	return clean(
		text
			.replace(/^(?:could not decrypt .*\.age|pg_dump of .*?: exit status \d+): (?=.)/, '')
			.replace(/^query failed: ERROR:\s+(?=.)/, ''),
		glyphs,
	);
}
