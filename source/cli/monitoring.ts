import type {Configuration} from '../config/configuration.js';
import type {EventBus} from '../core/bus.js';
import {messageOf} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';
import type {HealthReporter} from '../reporters/health.js';
import {type Reported, reportedAs} from '../reporters/reports.js';

/** Reports runs to `health_url` and `metrics_file`. `settled` resolves when every report was sent or has failed. */
export type Monitoring = {readonly settled: () => Promise<void>};

/** Subscribes to the bus. A failed report causes a warning and never fails the run. */
export async function startMonitoring(bus: EventBus, {settings}: Configuration, env: Environment): Promise<Monitoring> {
	const {healthUrl, metricsFile, serverName} = settings;
	const pending: Promise<void>[] = [];
	const warn = (text: string) => bus.emit({type: 'log', level: 'warn', text});
	const opened = healthUrl === '' ? undefined : await openHealth(settings, env, warn);
	const health = opened?.reporter;
	const metrics = metricsFile === '' ? undefined : await import('../reporters/metrics.js');
	let reported: Reported = 'nothing';
	bus.subscribe((event, state) => {
		if (event.type === 'run.started') {
			// These reports are about the configured server only.
			reported = event.serverName === undefined ? reportedAs[event.command] : 'nothing';
			if (reported === 'backup' && health) pending.push(health.start(state));
			const problem = opened?.problem;
			// Nobody reads the log before the run starts; other subscribers must receive its start first.
			if (reported === 'backup' && problem !== undefined) pending.push(Promise.resolve().then(() => warn(problem)));
		}
		if (event.type !== 'run.finished' || reported === 'nothing') return;
		if (reported === 'backup' && health) pending.push(health.finish(state));
		if (metrics) {
			const written = metrics.writeMetrics(metricsFile, reported, state, serverName);
			pending.push(written.catch((error: unknown) => warn(`cannot write the metrics file: ${messageOf(error)}`)));
		}
	});
	return {
		async settled() {
			await Promise.all(pending);
			opened?.close?.();
		},
	};
}

type Health = {readonly reporter?: HealthReporter; readonly problem?: string; readonly close?: () => void};

/** Milliseconds; below the timeout of a report, because its error names what does not answer. */
const connectTimeout = 8000;

/** Returns a problem for an unusable proxy or certificate file: reports never fail a run. */
async function openHealth(
	{healthUrl, caFile}: Configuration['settings'],
	env: Environment,
	onProblem: (text: string) => void,
): Promise<Health> {
	const {createHealthReporter} = await import('../reporters/health.js');
	const {createHttp, HttpConfigError} = await import('../lib/http/http.js');
	try {
		const {fetch, close} = createHttp({env, caFile, connectTimeout});
		return {reporter: createHealthReporter({url: healthUrl, fetch, onProblem}), close};
	} catch (error) {
		if (!(error instanceof HttpConfigError)) throw error;
		return {problem: `cannot report to health_url: ${error.message}`};
	}
}
