/** A file for Prometheus's textfile collector, written in one step when a backup has ended. */
import {randomBytes} from 'node:crypto';
import {open, readFile, rename, rm} from 'node:fs/promises';
import {countJobs, isSkipped, jobBytes, type JobState, type RunState} from '../core/state.js';

type Sample = {readonly labels?: Readonly<Record<string, string>>; readonly value: number};
type Metric = {readonly name: string; readonly help: string; readonly samples: readonly Sample[]};

/** What the earlier file says of each database's last success, so that a failure does not forget it. Seconds since the epoch. */
export function lastSuccesses(text: string): Map<string, number> {
	return perDatabase(text, /^pg_back_database_last_success_timestamp_seconds\{database="((?:[^"\\]|\\.)*)"\} (\S+)$/);
}

type Proofs = {readonly restored: Map<string, number>; readonly proven: Map<string, number>};

/** The same of each database's last restore drill. */
function lastProofs(text: string): Proofs {
	return {
		restored: perDatabase(
			text,
			/^pg_back_database_last_restored_timestamp_seconds\{database="((?:[^"\\]|\\.)*)"\} (\S+)$/,
		),
		proven: perDatabase(text, /^pg_back_database_last_proven_timestamp_seconds\{database="((?:[^"\\]|\\.)*)"\} (\S+)$/),
	};
}

function perDatabase(text: string, pattern: RegExp): Map<string, number> {
	const found = new Map<string, number>();
	for (const line of text.split('\n')) {
		const [, label, value] = pattern.exec(line) ?? [];
		if (label !== undefined && value !== undefined) found.set(unescapeLabel(label), Number(value));
	}
	return found;
}

function proofMetrics({restored, proven}: Proofs): Metric[] {
	const samplesOf = (times: ReadonlyMap<string, number>) =>
		[...times].map(([database, value]) => ({labels: {database}, value}));
	return [
		{
			name: 'database_last_restored_timestamp_seconds',
			help: 'when a restore drill last brought back all that a dump of the database holds',
			samples: samplesOf(restored),
		},
		{
			name: 'database_last_proven_timestamp_seconds',
			help: 'when a restore drill of the database last found it as it was dumped',
			samples: samplesOf(proven),
		},
	];
}

/** The text of the file after a restore drill: only what it proved is new. */
export function drillMetricsText(state: RunState, before: string): string {
	const proofs = lastProofs(before);
	for (const job of state.jobs.values()) {
		if (job.kind !== 'restore' || !job.stages.includes('verify') || job.status !== 'done') continue;
		const time = (job.finishedAt ?? state.time) / 1000;
		proofs.restored.set(job.name, time);
		if (job.result?.result === 'proven') proofs.proven.set(job.name, time);
	}
	const others = before
		.split('\n')
		.filter(line => line !== '' && !/pg_back_database_last_(?:proven|restored)_timestamp_seconds/.test(line));
	return [...others, printMetrics(proofMetrics(proofs))].join('\n');
}

/** The text of the file; `before` is that of the last run, or empty. */
export function metricsText(state: RunState, before: string): string {
	const finished = (state.finished?.at ?? state.time) / 1000;
	const databases = [...state.jobs.values()].filter(job => job.kind === 'database' && !isSkipped(job));
	const successes = lastSuccesses(before);
	for (const job of databases)
		if (job.status === 'done') successes.set(job.name, (job.finishedAt ?? state.time) / 1000);
	const of = (job: JobState, value: number): Sample => ({labels: {database: job.name}, value});
	const succeeded = state.finished?.exitCode === 0;
	const lastRun = succeeded
		? finished
		: Number(/^pg_back_last_success_timestamp_seconds (\S+)$/m.exec(before)?.[1] ?? 0);
	const counts = countJobs(state);
	return printMetrics([
		{name: 'last_run_timestamp_seconds', help: 'when the last backup ended', samples: [{value: finished}]},
		{
			name: 'last_success_timestamp_seconds',
			help: 'when the last backup ended of which nothing failed',
			samples: [{value: lastRun}],
		},
		{
			name: 'last_exit_code',
			help: 'exit status of the last backup',
			samples: [{value: state.finished?.exitCode ?? 70}],
		},
		{
			name: 'last_duration_seconds',
			help: 'how long the last backup took',
			samples: [{value: ((state.finished?.at ?? state.time) - state.startedAt) / 1000}],
		},
		{
			name: 'last_bytes',
			help: 'bytes of the files of the last backup',
			samples: [{value: [...state.jobs.values()].reduce((sum, job) => sum + jobBytes(job), 0)}],
		},
		{
			name: 'last_failed_jobs',
			help: 'databases and outputs that failed',
			samples: [{value: counts.failed + counts.cancelled}],
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
			help: 'how long the last dump of the database took',
			samples: databases.map(job => of(job, ((job.finishedAt ?? 0) - (job.startedAt ?? job.finishedAt ?? 0)) / 1000)),
		},
		{
			name: 'database_last_success_timestamp_seconds',
			help: 'when the last good dump of the database was made',
			samples: [...successes].map(([database, value]) => ({labels: {database}, value})),
		},
		...proofMetrics(lastProofs(before)),
	]);
}

/** Throws what the file system says. Others may read the file: the collector runs as somebody else. */
export async function writeMetrics(path: string, state: RunState, textOf = metricsText): Promise<void> {
	const before = await readFile(path, 'utf8').catch(() => ''); // there is none yet
	const partial = `${path}.${randomBytes(4).toString('hex')}`;
	const handle = await open(partial, 'wx', 0o644);
	try {
		await handle.chmod(0o644);
		await handle.writeFile(textOf(state, before));
		await handle.sync();
		await handle.close();
		await rename(partial, path);
	} catch (error) {
		await handle.close();
		await rm(partial, {force: true});
		throw error;
	}
}

function printMetrics(metrics: readonly Metric[]): string {
	return metrics
		.filter(metric => metric.samples.length > 0)
		.map(({name, help, samples}) => {
			const lines = samples.map(({labels, value}) => `pg_back_${name}${printLabels(labels)} ${value}`);
			return [`# HELP pg_back_${name} ${help}`, `# TYPE pg_back_${name} gauge`, ...lines, ''].join('\n');
		})
		.join('');
}

function printLabels(labels: Sample['labels']): string {
	if (!labels) return '';
	return `{${Object.entries(labels)
		.map(([name, value]) => `${name}="${escapeLabel(value)}"`)
		.join(',')}}`;
}

const escapeLabel = (text: string) =>
	text
		.replaceAll('\\', String.raw`\\`)
		.replaceAll('"', String.raw`\"`)
		.replaceAll('\n', String.raw`\n`);

function unescapeLabel(text: string): string {
	return text.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
}
