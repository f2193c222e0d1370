/** Which failed jobs can be repeated, and from which stage. */
import type {KeyedList} from '../lib/keyed-list.js';
import type {JobKind} from './events.js';

type Ended = {
	readonly id: string;
	readonly kind: JobKind;
	readonly status: string;
	readonly canRetry?: true | undefined;
	readonly files: readonly unknown[];
	readonly stage: {readonly upload?: {readonly state: string}};
};

/** Returns true when only the upload failed: the dump is complete and hashed. */
export function isUnshipped({status, files, stage}: Ended): boolean {
	return (status === 'failed' || status === 'cancelled') && files.length > 0 && stage.upload?.state === 'failed';
}

/** After their run has ended, only jobs that can be requested individually can be repeated. */
const askedAlone: ReadonlySet<JobKind> = new Set(['database', 'download', 'decrypt']);

/** Returns the jobs as they are after their run has ended. */
export function withoutRetries<T extends Ended>(jobs: KeyedList<T>): KeyedList<T> {
	let kept = jobs;
	for (const job of jobs.values()) {
		if (job.canRetry && !askedAlone.has(job.kind) && !isUnshipped(job)) kept = kept.with({...job, canRetry: undefined});
	}
	return kept;
}
