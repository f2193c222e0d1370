import type {RunState} from '../core/run-state.js';
import {type Metric, perDatabase, printMetrics} from './prometheus.js';
import {runMetrics} from './run-metrics.js';

const restoredName = 'database_last_restored_timestamp_seconds';
const provenName = 'database_last_proven_timestamp_seconds';

/** Returns the text of a restore drill's file; results of earlier drills for other databases are kept. */
export function drillMetrics(state: RunState, before: string): string {
	const restored = perDatabase(before, restoredName);
	const proven = perDatabase(before, provenName);
	for (const job of state.jobs.values()) {
		if (job.kind !== 'restore' || job.batch !== state.batch) continue;
		if (!job.stages.includes('verify') || job.status !== 'done') continue;
		const time = (job.finishedAt ?? state.time) / 1000;
		restored.set(job.name, time);
		if (job.result?.result === 'proven') proven.set(job.name, time);
	}
	return printMetrics([
		...runMetrics('drill', state, before),
		perDatabaseMetric(restoredName, 'when a drill last restored a dump of the database completely', restored),
		perDatabaseMetric(
			provenName,
			'when a drill last found the restored database identical to what was recorded at its dump',
			proven,
		),
	]);
}

function perDatabaseMetric(name: string, help: string, times: ReadonlyMap<string, number>): Metric {
	return {name, help, samples: [...times].map(([database, value]) => ({labels: {database}, value}))};
}
