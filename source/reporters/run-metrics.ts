import type {JobKind} from '../core/events.js';
import type {RunState} from '../core/run-state.js';
import {type Metric, single} from './prometheus.js';

/** Returns what drills and verifications have in common: `pg_back_drill_last_run_timestamp_seconds` and so on. */
export function runMetrics(kind: 'drill' | 'verify', state: RunState, before: string): Metric[] {
	const jobKind: JobKind = kind === 'drill' ? 'restore' : 'verify';
	const finished = (state.finished?.at ?? state.time) / 1000;
	const exitCode = state.finished?.exitCode ?? 70;
	const jobs = [...state.jobs.values()].filter(job => job.kind === jobKind);
	const metric = (name: string, help: string, value: number): Metric => ({
		name: `${kind}_${name}`,
		help,
		samples: [{value}],
	});
	return [
		metric('last_run_timestamp_seconds', `when the last ${kind} ended`, finished),
		metric(
			'last_success_timestamp_seconds',
			`when the last successful ${kind} ended`,
			exitCode === 0 ? finished : single(before, `${kind}_last_success_timestamp_seconds`),
		),
		metric('last_exit_code', `exit status of the last ${kind}`, exitCode),
		metric(
			'last_duration_seconds',
			`duration of the last ${kind}`,
			((state.finished?.at ?? state.time) - state.startedAt) / 1000,
		),
		metric(
			'last_jobs',
			`dumps processed by the last ${kind}`,
			jobs.filter(job => job.status === 'done' || job.status === 'failed').length,
		),
		metric(
			'last_failed_jobs',
			`dumps that failed or were canceled in the last ${kind}`,
			jobs.filter(job => job.status === 'failed' || job.status === 'cancelled').length,
		),
	];
}
