import type {Configuration} from '../config/configuration.js';
import {messageOf} from '../core/errors.js';
import type {EventBus} from '../core/bus.js';

/** What else hears of a backup. `settled` resolves when all has been told. */
export type Monitoring = {readonly settled: () => Promise<void>};

export async function startMonitoring(bus: EventBus, {settings}: Configuration): Promise<Monitoring> {
	const {healthUrl, metricsFile} = settings;
	const pending: Promise<void>[] = [];
	const warn = (text: string) => bus.emit({type: 'log', level: 'warn', text});
	const health =
		healthUrl === '' ? undefined : (await import('../reporters/health.js')).createHealthReporter(healthUrl, warn);
	const metrics = metricsFile === '' ? undefined : await import('../reporters/metrics.js');
	let backup = false;
	let drill = false;
	bus.subscribe((event, state) => {
		if (event.type === 'run.started') {
			backup = event.command === 'backup';
			drill = event.command === 'restore';
			if (backup && health) pending.push(health.start(state));
		}
		if (event.type !== 'run.finished' || !(backup || drill)) return;
		if (backup && health) pending.push(health.finish(state));
		if (metrics) {
			const written = metrics.writeMetrics(metricsFile, state, drill ? metrics.drillMetricsText : metrics.metricsText);
			pending.push(written.catch((error: unknown) => warn(`the metrics file cannot be written: ${messageOf(error)}`)));
		}
	});
	return {
		async settled() {
			await Promise.all(pending);
		},
	};
}
