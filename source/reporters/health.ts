/** Tells a watchdog about a backup: `URL/start`, then `URL` or `URL/fail` with the end of the log (the convention of healthchecks.io). */
import {messageOf} from '../core/errors.js';
import type {RunState} from '../core/state.js';
import {display} from '../lib/display.js';
import {logTime} from './log-time.js';
import {summaryLine} from './summary.js';

export type HealthReporter = {
	readonly start: (state: RunState) => Promise<void>;
	readonly finish: (state: RunState) => Promise<void>;
};

/** `onProblem` gets one line: a watchdog that cannot be reached never fails a backup. */
export function createHealthReporter(url: string, onProblem: (text: string) => void, timeout = 10_000): HealthReporter {
	const base = url.replace(/\/+$/, '');
	const tell = async (path: string, {runId}: RunState, body: string) => {
		try {
			const response = await fetch(`${base}${path}?rid=${encodeURIComponent(runId)}`, {
				method: 'POST',
				body,
				signal: AbortSignal.timeout(timeout),
			});
			await response.body?.cancel();
			if (!response.ok) onProblem(`the health check answers ${response.status}`);
		} catch (error) {
			const {cause} = error as {cause?: unknown};
			onProblem(`the health check cannot be reached: ${messageOf(cause ?? error)}`);
		}
	};
	return {
		start: state => tell('/start', state, ''),
		finish: state => tell(state.finished?.exitCode === 0 ? '' : '/fail', state, report(state)),
	};
}

/** The services take 10 to 100 kB. */
const tailLines = 60;

function report(state: RunState): string {
	const lines = state.log
		.filter(line => line.level !== 'debug')
		.slice(-tailLines)
		.map(line => `${logTime(line.time)} ${line.level.toUpperCase()}: ${display(line.text)}`);
	return [summaryLine(state), ...lines, ''].join('\n');
}
