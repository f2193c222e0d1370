/** Formats the Jobs screen while there are no jobs. */
import {freshFor} from '../../core/dump-age.js';
import {describeElsewhere} from '../../core/elsewhere.js';
import type {DatabaseAge} from '../../core/handle.js';
import {formatBytes, formatCount, plural} from '../../lib/format.js';
import {localClock, localDate} from '../../lib/local-time.js';
import {sum} from '../../lib/sum.js';
import {cellWidth, fit} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {clean} from '../glyphs.js';
import {blank, cutLine, type Line, span} from '../text.js';
import {formatAge} from './age.js';
import {wrapWords} from './wrap.js';

const indent = '   ';

/** Returns at most `height` lines. Where there is little room, the databases come first. */
export function homeLines(frame: Frame, height = Infinity): readonly Line[] {
	const {columns, glyphs} = frame;
	const elsewhere = elsewhereLines(frame);
	const [plan, runs, places] = [planLines(frame), runLines(frame), placeLines(frame)];
	const rows = shareRows(height - elsewhere.length, {
		ages: ageRows(frame),
		runs: runs.length,
		plan: plan.length,
		places: places.length,
		keys: 1,
	});
	const sections = [
		ageLines(frame, rows.ages),
		runs.slice(0, rows.runs),
		plan.slice(0, rows.plan),
		places.slice(0, rows.places),
		rows.keys > 0 ? [keyLine()] : [],
	].filter(section => section.length > 0);
	const shown = [...elsewhere, ...sections.flatMap((section, index) => (index === 0 ? section : [blank, ...section]))];
	return shown.map(line => cutLine(line, columns - 1, glyphs.cut));
}

type Rows = Readonly<Record<'ages' | 'runs' | 'plan' | 'places' | 'keys', number>>;

/** Gives each section rows in turn, up to what it needs; all but the first have an empty row above. */
function shareRows(height: number, needed: Rows): Rows {
	const rows = {ages: 0, runs: 0, plan: 0, places: 0, keys: 0};
	let left = height;
	const give = (section: keyof Rows, upTo: number) => {
		const above = rows[section] === 0 && section !== 'ages' ? 1 : 0;
		const more = Math.min(needed[section] - rows[section], upTo - rows[section], left - above);
		if (more <= 0) return;
		rows[section] += more;
		left -= more + above;
	};
	give('ages', 4);
	give('runs', 2);
	give('plan', 2);
	give('ages', 9);
	give('runs', 4);
	give('places', 1);
	give('plan', 4);
	give('ages', Infinity);
	give('plan', Infinity);
	give('runs', 7);
	give('keys', 1);
	return rows;
}

/** Shows active runs of other processes in the backup directory. */
function elsewhereLines({home: {elsewhere = []}, glyphs, now}: Frame): Line[] {
	if (elsewhere.length === 0) return [];
	const lines = elsewhere.slice(0, 3).map((run): Line => {
		const about = clean(describeElsewhere(run, now), glyphs);
		const progress = run.progress === undefined ? '' : `   ${clean(run.progress, glyphs)}`;
		return [span(` ${glyphs.running} ${about}`, 'running'), span(progress)];
	});
	const more = elsewhere.length - lines.length;
	if (more > 0) lines.push([span(`${indent}${glyphs.cut} and ${plural(more, 'other run')}`, 'quiet')]);
	const canAttach = elsewhere.some(run => run.canAttach);
	lines.push([
		...(canAttach ? [span(`${indent}enter`, 'key'), span(' attach: watch it without affecting it', 'quiet')] : []),
		...(canAttach ? [] : [span(`${indent}nothing more is known of it`, 'quiet')]),
	]);
	return [...lines, blank];
}

/** Shows the locations of dumps. */
function placeLines({home: {places = []}, glyphs}: Frame): Line[] {
	if (places.length === 0) return [];
	return [[span(' Dumps are in ', 'quiet'), span(places.map(place => clean(place, glyphs)).join(` ${glyphs.dot} `))]];
}

function problemLines(text: string, {columns, glyphs}: Frame): Line[] {
	return wrapWords(clean(text, glyphs), Math.max(10, columns - 7)).map((piece, index) => [
		span(`${indent}${index === 0 ? glyphs.failed : ' '} ${piece}`, 'failed'),
	]);
}

/** Returns the rows that all databases need. */
function ageRows(frame: Frame): number {
	const {ages, problems = []} = frame.home;
	return 1 + problems.flatMap(problem => problemLines(problem, frame)).length + Math.max(1, ages?.length ?? 0);
}

/** Shows each database with the age of its newest good dump, the oldest first. */
function ageLines(frame: Frame, height: number): Line[] {
	const {home, columns, glyphs, now} = frame;
	const {ages, problems = []} = home;
	const head: Line = [span(' Databases, by their newest good dump', 'strong')];
	const told = problems.flatMap(problem => problemLines(problem, frame));
	if (ages === undefined) return [head, ...told, [span(`${indent}reading${glyphs.cut}`, 'quiet')]];
	if (ages.length === 0 && told.length > 0) return [head, ...told];
	if (ages.length === 0) return [head, [span(`${indent}there is no dump yet`, 'quiet')]];
	const room = Math.max(1, height - 1 - told.length);
	const shown = ages.length > room ? ages.slice(0, room - 1) : ages;
	const longest = shown.reduce((most, one) => Math.max(most, cellWidth(clean(one.database, glyphs))), 8);
	const width = Math.min(longest, Math.max(12, columns - 44));
	const rows = shown.map((one): Line => [
		span(`${indent}${fit(clean(one.database, glyphs), width, {cut: 'middle', mark: glyphs.cut})}  `),
		one.newest === undefined
			? span(fit('no good dump', 13), 'failed')
			: span(fit(`${formatAge(one.newest, now)} old`, 13), now - one.newest > freshFor ? 'warn' : undefined),
		span(`  ${provenText(one, now)}`, one.proven === undefined ? 'quiet' : 'done'),
	]);
	const more = ages.length - shown.length;
	if (more > 0) rows.push([span(`${indent}${glyphs.cut} and ${formatCount(more)} more, not older`, 'quiet')]);
	return [head, ...told, ...rows];
}

function provenText({proven, restored}: DatabaseAge, now: number): string {
	if (proven !== undefined && proven >= (restored ?? 0)) return `proven ${formatAge(proven, now)} ago`;
	if (restored !== undefined) return `restored ${formatAge(restored, now)} ago`;
	return 'never proven';
}

function runLines({home: {runs}, glyphs, now}: Frame): Line[] {
	const lines: Line[] = [[span(' The last runs', 'strong')]];
	if (runs === undefined) lines.push([span(`${indent}reading${glyphs.cut}`, 'quiet')]);
	else if (runs.length === 0) lines.push([span(`${indent}none yet`, 'quiet')]);
	for (const run of runs ?? []) {
		const failed = run.failed.map(name => clean(name, glyphs)).join(', ');
		const mark =
			run.state === 'complete'
				? span(`${glyphs.done} complete`, 'done')
				: run.state === 'partial'
					? span(`${glyphs.failed} PARTIAL`, 'failed')
					: span('unknown', 'quiet');
		lines.push([
			span(`${indent}${fit(`${formatAge(run.time, now)} ago`, 9, {align: 'right'})}  `),
			span(`${formatDate(run.time)}  `, 'quiet'),
			mark,
			span(failed === '' ? '' : `, failed: ${failed}`, 'failed'),
			span(run.encrypted ? ` ${glyphs.dot} encrypted` : '', 'quiet'),
		]);
	}
	return lines;
}

function planLines(frame: Frame): Line[] {
	const {
		home: {plan, planProblem},
		glyphs,
	} = frame;
	const lines: Line[] = [[span(' A backup would dump', 'strong')]];
	if (planProblem !== undefined) return [...lines, ...problemLines(planProblem, frame)];
	if (plan === undefined) return [...lines, [span(`${indent}asking the server${glyphs.cut}`, 'quiet')]];
	const total = sum(plan.databases.map(one => one.bytes));
	const names = plan.databases.map(one => clean(one.name, glyphs)).join(', ');
	lines.push([
		span(`${indent}${plural(plan.databases.length, 'database')}, ~${formatBytes(total)}`),
		span(`${indent}${names}`, 'quiet'),
	]);
	for (const [label, value] of plan.facts)
		lines.push([
			span(`${indent}${fit(clean(label, glyphs), 12, {mark: glyphs.cut})} `, 'quiet'),
			span(clean(value, glyphs)),
		]);
	return lines;
}

function keyLine(): Line {
	return [
		span(' b', 'key'),
		span(' back up   ', 'quiet'),
		span('2', 'key'),
		span(' files: find, download and decrypt a dump   ', 'quiet'),
		span('3', 'key'),
		span(' log   ', 'quiet'),
		span('F5', 'key'),
		span(' look again', 'quiet'),
	];
}

/** Local wall clock, `2026-11-22 10:05:12`. */
function formatDate(time: number): string {
	const date = new Date(time);
	return `${localDate(date)} ${localClock(date)}`;
}
