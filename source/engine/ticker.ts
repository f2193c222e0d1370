import type {Emit, JobProgress, StageProgress, StageName} from '../core/events.js';
import type {JobMeter} from '../stages/meter.js';

export type StageSample = {readonly [S in StageName]?: StageProgress};

/** Adds what is known besides the bytes: fraction, rate, tables, locks. */
export type Estimate = (job: string, stages: StageSample) => Omit<JobProgress, 'job' | 'stages'>;

/** Reads the meters of the running jobs four times a second, and emits one event for all. Returns the function that ends it. */
export function startTicker(meters: () => readonly JobMeter[], emit: Emit, estimate?: Estimate, interval = 250): () => void {
	let busy = false;
	const timer = setInterval(() => {
		if (busy) return; // a slow file system must not pile up samples
		busy = true;
		void sampleAll(meters(), estimate)
			.then(jobs => {
				if (jobs.length > 0) emit({type: 'progress', jobs});
			})
			.finally(() => {
				busy = false;
			});
	}, interval);
	timer.unref();
	return () => clearInterval(timer);
}

async function sampleAll(meters: readonly JobMeter[], estimate: Estimate | undefined): Promise<JobProgress[]> {
	return Promise.all(
		meters.map(async meter => {
			const stages = await meter.sample();
			return {job: meter.job, stages, ...estimate?.(meter.job, stages)};
		}),
	);
}
