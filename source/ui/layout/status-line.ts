import {countJobs} from '../../core/state.js';
import {formatBytes} from '../../lib/format.js';
import type {Frame} from '../console.js';
import {cutLine, span, type Line, type Span} from '../text.js';
import {percent} from './bar.js';

/** The run in one line, what went wrong first. */
export function statusLine({run, columns, glyphs}: Frame): Line {
	const counts = countJobs(run);
	const {totals, finished} = run;
	const parts: Span[] = [];
	if (counts.failed > 0) parts.push(span(`${glyphs.failed}${counts.failed} failed`, 'failed'));
	if (finished) parts.push(span(finished.outcome, finished.outcome === 'done' ? 'done' : 'failed'));
	else if (totals?.fraction !== undefined) parts.push(span(percent(totals.fraction, totals.estimated), 'strong'));
	else if (totals) parts.push(span(formatBytes(totals.bytes), 'strong'));
	if (counts.running > 0) parts.push(span(`${glyphs.running}${counts.running}`, 'running'));
	if (counts.done > 0) parts.push(span(`${glyphs.done}${counts.done}`, 'done'));
	const line =
		parts.length === 0 ? [span('pg_back')] : parts.flatMap((part, index) => (index === 0 ? [part] : [span(' '), part]));
	return cutLine(line, columns, glyphs.cut);
}
