/** The top of the Jobs screen: who, how far, and what went wrong. */
import {countJobs, isSkipped, type JobState, type RunState} from '../../core/state.js';
import {formatBytes} from '../../lib/format.js';
import {clean, type Glyphs} from '../glyphs.js';
import {lineWidth, span, spread, type Line, type Span} from '../text.js';
import {bar, percent} from './bar.js';
import {shortDuration} from './job-row.js';

/** `00:03:41`; days as `2d 03:04:05`. */
export function formatClock(milliseconds: number): string {
	const seconds = Math.max(0, Math.floor(milliseconds / 1000));
	const pad = (value: number) => String(value).padStart(2, '0');
	const days = Math.floor(seconds / 86_400);
	const clock = `${pad(Math.floor(seconds / 3600) % 24)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
	return days > 0 ? `${days}d ${clock}` : clock;
}

/** Program, server and its role; how long it runs at the right. */
export function titleLine(run: RunState, version: string, now: number, width: number, glyphs: Glyphs): Line {
	const clock =
		run.startedAt === 0 || run.command === 'console' ? '' : formatClock((run.finished?.at ?? now) - run.startedAt);
	const right = clock === '' ? [] : [span(`${clock} `, run.finished ? 'quiet' : 'strong')];
	const name = span(` pg_back ${clean(run.version || version, glyphs)}`, 'title');
	const whole = [name, ...serverSpans(run, 'PostgreSQL ', glyphs)];
	// What is not a primary must be seen where the product's name has no room.
	const left = lineWidth(whole) + lineWidth(right) < width ? whole : [name, ...serverSpans(run, '', glyphs)];
	return spread(left, right, width, glyphs.cut);
}

function serverSpans({server}: RunState, product: string, glyphs: Glyphs): Line {
	if (!server) return [];
	const dot = span(` ${glyphs.dot} `, 'quiet');
	return [
		...[dot, span(clean(`${server.host}:${server.port}`, glyphs))],
		...[dot, span(clean(`${product}${server.version}`, glyphs))],
		server.inRecovery ? span(' standby', 'warn') : span(' primary', 'quiet'),
	];
}

/** The bar of the whole run, with bytes, rate and what is left. When all is over, what came of it. */
export function totalLine(run: RunState, width: number, glyphs: Glyphs): Line {
	const {totals, finished} = run;
	if (finished) return outcomeLine(run, width, glyphs);
	if (totals === undefined) {
		if (run.command === 'console' || run.startedAt === 0) return [span(' nothing is running', 'quiet')];
		return [span(` ${clean(run.phase === '' ? 'starting' : run.phase, glyphs)}${glyphs.cut}`, 'quiet')];
	}
	const bytes =
		totals.totalBytes === undefined
			? formatBytes(totals.bytes)
			: `${formatBytes(totals.bytes)} of ${totals.estimated ? '~' : ''}${formatBytes(totals.totalBytes)}`;
	// What is read stands still while the last files are uploaded.
	const rate = totals.rate === undefined || totals.rate === 0 ? '' : `${formatBytes(totals.rate)}/s`;
	// Where nothing moves (a lock is waited for) nobody knows how long.
	const moves = totals.rate !== 0 || [...run.jobs.values()].some(uploads);
	const left = totals.eta === undefined || !moves ? '' : `~${shortDuration(totals.eta)} left`;
	const pieces = [bytes, rate, left].filter(piece => piece !== '');
	if (totals.fraction === undefined) return [span(` ${pieces.join('   ')}`)];
	const share = ` ${percent(totals.fraction, totals.estimated)}`;
	// What is known in words goes before the length of the bar, least needed last.
	while (pieces.length > 1 && width - pieces.join('   ').length - share.length - 5 < 12) pieces.splice(1, 1);
	const text = `${share}   ${pieces.join('   ')}`;
	const room = Math.min(48, width - text.length - 2);
	return [
		span(' '),
		...bar(totals.fraction, Math.max(6, room), glyphs),
		span(text.slice(0, share.length), 'strong'),
		span(text.slice(share.length)),
	];
}

function uploads({status, progress}: JobState): boolean {
	return status === 'running' && (progress?.rate ?? 0) > 0;
}

function outcomeLine(run: RunState, width: number, glyphs: Glyphs): Line {
	const {finished} = run;
	const counts = countJobs(run);
	const bytes = run.totals ? `${formatBytes(run.totals.bytes)} read` : '';
	const status = finished && finished.exitCode !== 0 ? `exit status ${finished.exitCode}` : '';
	const rest = [bytes, status].filter(part => part !== '').join('   ');
	if (finished?.outcome === 'done')
		return spread(
			[span(` ${glyphs.done} finished`, 'done'), span('   all went well', 'plain')],
			[span(`${rest} `, 'quiet')],
			width,
			glyphs.cut,
		);
	const what =
		finished?.error?.message ?? (counts.failed > 0 ? `${counts.failed} failed, the others are done` : 'stopped');
	const word = finished?.outcome === 'cancelled' ? 'cancelled' : 'failed';
	return spread(
		[
			span(` ${word === 'failed' ? glyphs.failed : glyphs.cancelled} ${word}`, word === 'failed' ? 'failed' : 'warn'),
			span(`   ${clean(what, glyphs)}`),
		],
		[span(`${rest} `, 'quiet')],
		width,
		glyphs.cut,
	);
}

/** How many jobs are in which state, and where the files go. Failures come first: they are what one looks for. */
export function countsLine(run: RunState, width: number, glyphs: Glyphs): Line {
	const counts = countJobs(run);
	const skipped = [...run.jobs.values()].filter(isSkipped).length;
	const {failed, cancelled, running, waiting} = counts;
	const states: Count[] = [
		{count: failed, word: 'failed', glyph: glyphs.failed, tone: 'failed'},
		{count: cancelled, word: 'cancelled', glyph: glyphs.cancelled, tone: 'warn'},
		{count: running, word: 'running', glyph: glyphs.running, tone: 'running'},
		{count: waiting, word: 'waiting', tone: 'quiet'},
		{count: counts.done - skipped, word: 'done', glyph: glyphs.done, tone: 'done'},
		{count: skipped, word: 'skipped', glyph: glyphs.cancelled, tone: 'quiet'},
	];
	const shown = showCounts(
		states.filter(state => state.count > 0),
		width,
	);
	const where =
		run.destinations.length > 0 ? `${glyphs.arrow} ${run.destinations.map(one => clean(one, glyphs)).join(', ')}` : '';
	const sealed =
		run.encryption === undefined ? '' : `${where === '' ? '' : `  ${glyphs.dot}  `}${clean(run.encryption, glyphs)}`;
	const room = width - lineWidth(shown);
	const right = [where + sealed, where].find(text => text.length + 3 <= room) ?? '';
	return spread(shown, right === '' ? [] : [span(`${right} `, 'quiet')], width, glyphs.cut);
}

type Count = {readonly count: number; readonly word: string; readonly glyph?: string; readonly tone: Span['tone']};

/** Where there is no room, first the gaps shrink; then the words go that their glyphs say as well. */
function showCounts(states: readonly Count[], width: number): Span[] {
	const ways: readonly {readonly gap: number; readonly wordless: readonly string[]}[] = [
		{gap: 3, wordless: []},
		{gap: 2, wordless: []},
		{gap: 1, wordless: []},
		{gap: 1, wordless: ['done', 'running']},
	];
	const spans = ways.map(({gap, wordless}) =>
		states.flatMap(({count, word, glyph, tone}, index) => [
			span(' '.repeat(index === 0 ? 1 : gap)),
			span([glyph, count, wordless.includes(word) ? undefined : word].filter(Boolean).join(' '), tone),
		]),
	);
	return spans.find(one => lineWidth(one) < width) ?? spans.at(-1) ?? [];
}
