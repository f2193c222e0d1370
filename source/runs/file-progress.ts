/** Progress of jobs with a known number of bytes: downloads, decryption, verification, uploads. No I/O. */
import type {NewEvent, PlannedJob, StageName} from '../core/events.js';
import {RateWindow} from '../lib/rate.js';
import type {Estimates, StageSample} from './ticker.js';

const windowMs = 10_000;
/** The work after the last byte (checksums, reading back, renaming) is part of the job. */
const mostBeforeTheEnd = 0.99;

type Tracked = {readonly plan: PlannedJob; rate: RateWindow; bytes: number; isThrough: boolean};

export type FileProgress = Estimates & {
	/** Receives all events of the jobs. */
	readonly see: (event: NewEvent) => void;
};

/** Creates the estimator. `now` returns milliseconds. The bytes of a job are those that its first stage has read. */
export function createFileProgress(now: () => number): FileProgress {
	const jobs = new Map<string, Tracked>();
	const fresh = (plan: PlannedJob): Tracked => ({plan, rate: new RateWindow(windowMs), bytes: 0, isThrough: false});
	const firstStage = ({stages}: PlannedJob): StageName | undefined => stages[0];

	return {
		see(event) {
			if (event.type === 'run.planned') for (const plan of event.jobs) jobs.set(plan.id, fresh(plan));
			if (event.type === 'job.started') {
				const plan = jobs.get(event.job)?.plan;
				if (plan) jobs.set(event.job, fresh(plan));
			}
			if (event.type !== 'stage.finished') return;
			const job = jobs.get(event.job);
			if (job && event.stage === firstStage(job.plan)) job.isThrough = true;
		},
		estimate(id: string, stages: StageSample) {
			const job = jobs.get(id);
			const first = job && firstStage(job.plan);
			if (!job || first === undefined) return {};
			const total = job.plan.estimatedBytes;
			job.bytes = job.isThrough ? (total ?? job.bytes) : (stages[first]?.bytesIn ?? job.bytes);
			job.rate.add(now(), job.bytes - (stages[first]?.present ?? 0));
			const rate = job.isThrough ? undefined : job.rate.perSecond;
			return {
				...(total !== undefined && total > 0 && {fraction: Math.min(mostBeforeTheEnd, job.bytes / total)}),
				...(rate !== undefined && {rate}),
				...(rate !== undefined && rate > 0 && total !== undefined && {eta: Math.max(0, total - job.bytes) / rate}),
			};
		},
		totals: () => undefined,
	};
}
