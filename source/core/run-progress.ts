/** Describes the progress of a run in a few words for people. */
import {formatDuration} from '../lib/format.js';
import type {RunState} from './run-state.js';
import {countTexts, countWork} from './work-counts.js';

/** Returns `3 dumping`, `9 to upload`, `~41 %`, `~2m left`; before there are jobs, the phase. */
export function runProgressTexts(state: RunState): readonly string[] {
	const {fraction, estimated, eta} = state.totals ?? {};
	const counts = countTexts(countWork(state));
	return [
		...(counts.length > 0 ? counts : [state.phase]),
		...(fraction === undefined ? [] : [`${estimated ? '~' : ''}${Math.floor(fraction * 100)} %`]),
		...(eta === undefined ? [] : [`~${formatDuration(eta)} left`]),
	].filter(text => text !== '');
}
