/** Metrics of a backup. */
import type {JobKind} from '../core/events.js';
import {isSkipped, jobBytes} from '../core/jobs.js';
import type {JobState, RunState} from '../core/run-state.js';
import {perDatabase, printMetrics, type Sample, single} from './prometheus.js';

const otherWork: ReadonlySet<JobKind> = new Set(['restore', 'verify', 'download', 'decrypt']);

/** Returns the text of a backup's file; `before` is the text of the previous backup, or empty. */
export function backupMetrics(state: RunState, before: string): string {
	const finished = (state.finished?.at ?? state.time) / 1000;
	const databases = [...state.jobs.values()].filter(job => job.kind === 'database' && !isSkipped(job));
	// A failure keeps the time of the last good dump.
	const successes = perDatabase(before, 'database_last_success_timestamp_seconds');
	for (const job of databases)
		if (job.status === 'done') successes.set(job.name, (job.finishedAt ?? state.time) / 1000);
	const of = (job: JobState, value: number): Sample => ({labels: {database: job.name}, value});
	const succeeded = state.finished?.exitCode === 0;
	const lastSuccess = succeeded ? finished : single(before, 'last_success_timestamp_seconds');
	// The console may have run drills and downloads during the backup.
	const jobs = [...state.jobs.values()].filter(job => !otherWork.has(job.kind));
	const failed = jobs.filter(job => job.status === 'failed' || job.status === 'cancelled');
	return printMetrics([
		{name: 'last_run_timestamp_seconds', help: 'when the last backup ended', samples: [{value: finished}]},
		{
			name: 'last_success_timestamp_seconds',
			help: 'when the last successful backup ended',
			samples: [{value: lastSuccess}],
		},
		{
			name: 'last_exit_code',
			help: 'exit status of the last backup',
			samples: [{value: state.finished?.exitCode ?? 70}],
		},
		{
			name: 'last_duration_seconds',
			help: 'duration of the last backup',
			samples: [{value: ((state.finished?.at ?? state.time) - state.startedAt) / 1000}],
		},
		{
			name: 'last_bytes',
			help: 'bytes of the files of the last backup',
			samples: [{value: jobs.reduce((sum, job) => sum + jobBytes(job), 0)}],
		},
		{
			name: 'last_failed_jobs',
			help: 'databases and other outputs that failed',
			samples: [{value: failed.length}],
		},
		{name: 'last_warnings', help: 'warnings of the last backup', samples: [{value: state.warnings}]},
		{
			name: 'database_success',
			help: '1 when the last dump of the database succeeded',
			samples: databases.map(job => of(job, job.status === 'done' ? 1 : 0)),
		},
		{
			name: 'database_bytes',
			help: 'bytes of the last dump of the database',
			samples: databases.map(job => of(job, jobBytes(job))),
		},
		{
			name: 'database_duration_seconds',
			help: 'duration of the last dump of the database',
			samples: databases.map(job => of(job, ((job.finishedAt ?? 0) - (job.startedAt ?? job.finishedAt ?? 0)) / 1000)),
		},
		{
			name: 'database_shrunk_percent',
			help: 'how much the dump has lost of the last good one, where alarm_shrink warns of it; else 0',
			samples: databases.map(job => of(job, state.shrunk?.[job.name] ?? 0)),
		},
		{
			name: 'database_last_success_timestamp_seconds',
			help: 'when the last good dump of the database was made',
			samples: [...successes].map(([database, value]) => ({labels: {database}, value})),
		},
	]);
}
