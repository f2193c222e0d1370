import type {RunState} from '../core/run-state.js';
import {printMetrics} from './prometheus.js';
import {runMetrics} from './run-metrics.js';

/** Returns the text of the file of a `--verify`. */
export function verifyMetrics(state: RunState, before: string): string {
	return printMetrics(runMetrics('verify', state, before));
}
