import {countJobs} from '../../core/jobs.js';
import {workShare} from '../../core/work.js';
import {formatBytes} from '../../lib/format.js';
import type {Frame} from '../console.js';
import {cutLine, type Line, type Span, span} from '../text.js';
import {percent} from './bar.js';

/** Returns the run in one line, failures first. */
export function statusLine({run, columns, glyphs}: Frame): Line {
	const counts = countJobs(run);
	const {finished} = run;
	const share = workShare(run);
	const parts: Span[] = [];
	if (counts.failed > 0) parts.push(span(`${glyphs.failed}${counts.failed} failed`, 'failed'));
	if (finished) parts.push(span(finished.outcome, finished.outcome === 'done' ? 'done' : 'failed'));
	else if (share?.fraction !== undefined) parts.push(span(percent(share.fraction, share.estimated), 'strong'));
	else if (share) parts.push(span(formatBytes(share.bytes), 'strong'));
	if (counts.running > 0) parts.push(span(`${glyphs.running}${counts.running}`, 'running'));
	if (counts.done > 0) parts.push(span(`${glyphs.done}${counts.done}`, 'done'));
	const line =
		parts.length === 0 ? [span('pg_back')] : parts.flatMap((part, index) => (index === 0 ? [part] : [span(' '), part]));
	return cutLine(line, columns, glyphs.cut);
}
