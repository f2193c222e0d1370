import type {Emit, JobProgress, RunTotals, StageName, StageProgress} from '../core/events.js';
import type {JobMeter} from '../stages/meter.js';

export type StageSample = {readonly [S in StageName]?: StageProgress};

/** Adds what is known in addition to the bytes: fraction, rate, tables, locks, and the progress of the whole run. */
export type Estimates = {
	readonly estimate: (job: string, stages: StageSample) => Omit<JobProgress, 'job' | 'stages'>;
	readonly totals: () => RunTotals | undefined;
};

/**
 * Reads the meters of the running jobs four times a second, and emits one event for all. Returns the function that
 * stops it.
 */
export function startTicker(
	meters: () => readonly JobMeter[],
	emit: Emit,
	estimates?: Estimates,
	interval = 250,
): () => void {
	let busy = false;
	const timer = setInterval(() => {
		if (busy) return; // a slow file system must not cause queued samples
		busy = true;
		void sampleAll(meters(), estimates)
			.then(jobs => {
				if (jobs.length === 0) return;
				emit({type: 'progress', jobs});
				const totals = estimates?.totals();
				if (totals) emit({type: 'run.totals', ...totals});
			})
			.finally(() => {
				busy = false;
			});
	}, interval);
	timer.unref();
	return () => clearInterval(timer);
}

async function sampleAll(meters: readonly JobMeter[], estimates: Estimates | undefined): Promise<JobProgress[]> {
	return Promise.all(
		meters.map(async meter => {
			const stages = await meter.sample();
			const {job, upload} = meter;
			return {job, stages, ...(upload && {upload}), ...estimates?.estimate(job, stages)};
		}),
	);
}
