/** Formats the top of the Jobs screen: server, progress, and failures. */
import {describeElsewhere} from '../../core/elsewhere.js';
import {failureGroups, failureText} from '../../core/failures.js';
import {countJobs, jobBytes} from '../../core/jobs.js';
import type {NetworkStall} from '../../core/network-text.js';
import type {RunState} from '../../core/run-state.js';
import {currentJobs, type WorkShare, workShare} from '../../core/work.js';
import {
	type ActiveWork,
	activeWork,
	countBlocking,
	countWork,
	type WorkKind,
	workKinds,
	workWord,
} from '../../core/work-counts.js';
import {formatBytes, plural} from '../../lib/format.js';
import {cellWidth} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {clean, type Glyphs} from '../glyphs.js';
import {cutLine, type Line, lineWidth, type Span, span, spread} from '../text.js';
import {bar, percent} from './bar.js';
import {shortDuration} from './job-row.js';
import {formatTime} from './log-lines.js';
import {tabSpans} from './tabs.js';

/** Returns `00:03:41`; with days `2d 03:04:05`. */
export function formatClock(milliseconds: number): string {
	const seconds = Math.max(0, Math.floor(milliseconds / 1000));
	const pad = (value: number) => String(value).padStart(2, '0');
	const days = Math.floor(seconds / 86_400);
	const clock = `${pad(Math.floor(seconds / 3600) % 24)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
	return days > 0 ? `${days}d ${clock}` : clock;
}

/**
 * Shows the tabs; at the right program, server and its role, and the duration of the run. The least important are
 * dropped first.
 */
export function titleLine({run, info, now, columns, glyphs, attached, fleet}: Frame): Line {
	const clock =
		run.startedAt === 0 || run.command === 'console' ? '' : formatClock((run.finished?.at ?? now) - run.startedAt);
	const tabs = tabSpans('jobs', fleet);
	const time = clock === '' ? [] : [span(`  ${clock}`, run.finished ? 'quiet' : 'strong')];
	const name = span(`pg_back ${clean(run.version || info.version, glyphs)}`, attached ? 'quiet' : 'title');
	const dot = span(` ${glyphs.dot} `, 'quiet');
	const server = serverParts(run, glyphs);
	const ways: readonly Line[] = [
		[name, ...server.whole.flatMap(part => [dot, ...part]), ...time],
		[...join(server.whole, dot), ...time],
		[...join(server.short, dot), ...time],
		[...server.role, ...time],
		server.isStandby ? server.role : time,
	];
	const right = ways.find(way => lineWidth(tabs) + lineWidth(way) + 2 <= columns) ?? [];
	return spread(tabs, right.length === 0 ? [] : [...right, span(' ')], columns, glyphs.cut);
}

function join(parts: readonly Line[], between: Span): Line {
	return parts.flatMap((part, index) => (index === 0 ? part : [between, ...part]));
}

type ServerParts = {
	readonly whole: readonly Line[];
	readonly short: readonly Line[];
	readonly role: Line;
	/** A standby must be recognizable. */
	readonly isStandby: boolean;
};

function serverParts({server}: RunState, glyphs: Glyphs): ServerParts {
	if (!server) return {whole: [], short: [], role: [], isStandby: false};
	const {host, port, version, inRecovery} = server;
	const word = inRecovery ? span('standby', 'warn') : span('primary', 'quiet');
	const place: Line = [span(clean(`${host}:${port}`, glyphs))];
	const product = (text: string): Line => [span(clean(`${text}${version} `, glyphs)), word];
	return {
		whole: [place, product('PostgreSQL ')],
		short: [place, product('')],
		role: product(''),
		isStandby: inRecovery,
	};
}

/** Shows which process's run is shown, if it is not ours. */
export function attachedLine({attached, now, columns, glyphs}: Frame): Line | undefined {
	if (attached === undefined) return undefined;
	const about = clean(describeElsewhere(attached, now), glyphs);
	return cutLine(
		[span(` ${attached.isOver ? 'was ' : ''}attached to the ${about}`, 'warn'), span('   q detach', 'key')],
		columns,
		glyphs.cut,
	);
}

/** Shows the bar of the work, with bytes, rate and remaining time; at the end the result. */
export function totalLine(run: RunState, now: number, width: number, glyphs: Glyphs): Line {
	if (run.finished) return outcomeLine(run, width, glyphs);
	const share = workShare(run);
	if (share === undefined) {
		if (run.command === 'console' || run.startedAt === 0) return [span(' nothing is running', 'quiet')];
		return [span(` ${clean(run.phase === '' ? 'starting' : run.phase, glyphs)}${glyphs.cut}`, 'quiet')];
	}
	if (run.network !== undefined) return stalledLine(share, {stall: run.network, now}, width, glyphs);
	const {bytes, totalBytes, fraction, estimated, rate, eta, files} = share;
	const amount =
		totalBytes === undefined
			? formatBytes(bytes)
			: `${formatBytes(bytes)} of ${estimated ? '~' : ''}${formatBytes(totalBytes)}`;
	const pieces = [
		amount,
		rate === undefined || rate === 0 ? '' : `${formatBytes(rate)}/s`,
		eta === undefined ? '' : `~${shortDuration(eta)} left`,
		files === undefined || files.of < 2 ? '' : `${share.word} ${Math.min(files.of, files.done + 1)} of ${files.of}`,
	].filter(piece => piece !== '');
	if (fraction === undefined) return [span(` ${pieces.join('   ')}`)];
	const text = ` ${percent(fraction, estimated)}`;
	// The words are dropped before the bar: the file, then the rate.
	while (pieces.length > 1 && width - pieces.join('   ').length - text.length - 5 < 12)
		pieces.splice(pieces.length > 3 ? 3 : 1, 1);
	const rest = `   ${pieces.join('   ')}`;
	const room = Math.min(48, width - text.length - rest.length - 2);
	return [span(' '), ...bar(fraction, Math.max(6, room), glyphs), span(text, 'strong'), span(rest)];
}

/** Shows since when the network has been blocked, before everything else. */
function stalledLine(
	share: WorkShare,
	{stall, now}: {readonly stall: NetworkStall; readonly now: number},
	width: number,
	glyphs: Glyphs,
): Line {
	const {since, reason} = stall;
	const fraction = share.fraction === undefined ? '' : `   ${percent(share.fraction, share.estimated)}`;
	const total = share.totalBytes === undefined ? '' : ` of ${formatBytes(share.totalBytes)}`;
	return cutLine(
		[
			span(` ${glyphs.failed} nothing sent or received since ${formatTime(since)}`, 'warn'),
			span(` (${shortDuration((now - since) / 1000)})`, 'warn'),
			span(`${fraction}   ${formatBytes(share.bytes)}${total}`, 'quiet'),
			span(reason === undefined ? '' : `   ${clean(reason, glyphs)}`, 'warn'),
		],
		width,
		glyphs.cut,
	);
}

function outcomeLine(run: RunState, width: number, glyphs: Glyphs): Line {
	const {finished} = run;
	const counts = countJobs(run);
	const bytes = workDone(run);
	const status = finished && finished.exitCode !== 0 ? `exit status ${finished.exitCode}` : '';
	const rest = [bytes, status].filter(part => part !== '').join('   ');
	if (finished?.outcome === 'done')
		return spread(
			[span(` ${glyphs.done} finished`, 'done'), span('   all went well', 'plain')],
			[span(`${rest} `, 'quiet')],
			width,
			glyphs.cut,
		);
	const [group, ...others] = failureGroups(run);
	const isOneReason = group !== undefined && group.jobs.length > 1 && others.length === 0;
	const what =
		(isOneReason ? failureText(group) : finished?.error?.message) ??
		(counts.failed > 0 ? `${counts.failed} failed${counts.done > 0 ? ', the others are done' : ''}` : 'stopped');
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

/** Returns how much was done, in the unit of the work. */
function workDone(run: RunState): string {
	if (run.totals) return `${formatBytes(run.totals.bytes)} read`;
	const done = currentJobs(run).filter(job => job.status === 'done');
	const bytes = done.reduce((sum, job) => sum + (job.estimatedBytes ?? jobBytes(job)), 0);
	const unit = done.every(job => job.kind === 'restore') ? 'database' : 'file';
	return done.length === 0 ? '' : `${plural(done.length, unit)}, ${formatBytes(bytes)}`;
}

/** Shows the number of jobs by activity, and the destinations. Failures come first. */
export function countsLine(run: RunState, width: number, glyphs: Glyphs): Line {
	const counts = countWork(run);
	const blocking = countBlocking(run);
	const looks: {readonly [K in WorkKind]: Pick<Count, 'glyph' | 'tone'>} = {
		failed: {glyph: glyphs.failed, tone: 'failed'},
		cancelled: {glyph: glyphs.cancelled, tone: 'warn'},
		...running(glyphs),
		toUpload: {tone: 'quiet'},
		waiting: {tone: 'quiet'},
		done: {glyph: glyphs.done, tone: 'done'},
		skipped: {glyph: glyphs.cancelled, tone: 'quiet'},
	};
	const ofKinds = (kinds: readonly WorkKind[]) =>
		kinds.map((kind): Count => ({count: counts[kind], word: workWord(kind), ...looks[kind]}));
	const states: Count[] = [
		...ofKinds(first),
		{count: blocking, word: blocking === 1 ? 'holds others up' : 'hold others up', glyph: '!', tone: 'warn'},
		...ofKinds(workKinds.filter(kind => !first.includes(kind))),
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
	const right = [where + sealed, where].find(text => cellWidth(text) + 3 <= room) ?? '';
	return spread(shown, right === '' ? [] : [span(`${right} `, 'quiet')], width, glyphs.cut);
}

const first: readonly WorkKind[] = ['failed', 'cancelled'];

/** All running work has the same style. */
function running(glyphs: Glyphs): {readonly [K in ActiveWork]: Pick<Count, 'glyph' | 'tone'>} {
	const look = {glyph: glyphs.running, tone: 'running'} as const;
	return {
		dumping: look,
		uploading: look,
		downloading: look,
		decrypting: look,
		verifying: look,
		restoring: look,
	};
}

type Count = {readonly count: number; readonly word: string; readonly glyph?: string; readonly tone: Span['tone']};

/** Without enough space, the gaps shrink first; then words with a corresponding glyph are dropped. */
function showCounts(states: readonly Count[], width: number): Span[] {
	const ways: readonly {readonly gap: number; readonly wordless: readonly string[]}[] = [
		{gap: 3, wordless: []},
		{gap: 2, wordless: []},
		{gap: 1, wordless: []},
		{gap: 1, wordless: ['done', ...activeWork]},
	];
	const spans = ways.map(({gap, wordless}) =>
		states.flatMap(({count, word, glyph, tone}, index) => [
			span(' '.repeat(index === 0 ? 1 : gap)),
			span([glyph, count, wordless.includes(word) ? undefined : word].filter(Boolean).join(' '), tone),
		]),
	);
	return spans.find(one => lineWidth(one) < width) ?? spans.at(-1) ?? [];
}
