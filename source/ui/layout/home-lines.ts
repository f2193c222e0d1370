/** The Jobs screen while there are no jobs. */
import {formatBytes, plural} from '../../lib/format.js';
import {fit} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {clean} from '../glyphs.js';
import {blank, cutLine, span, type Line} from '../text.js';
import {formatAge} from './file-row.js';
import {formatTime} from './log-lines.js';

export function homeLines({home: {plan, problem, runs}, columns, glyphs, now}: Frame): readonly Line[] {
	const lines: Line[] = [[span(' A backup would dump', 'strong')]];
	if (problem !== undefined) lines.push([span(`   ${glyphs.failed} ${clean(problem, glyphs)}`, 'failed')]);
	else if (plan === undefined) lines.push([span(`   asking the server${glyphs.cut}`, 'quiet')]);
	if (plan !== undefined) {
		const total = plan.databases.reduce((sum, one) => sum + one.bytes, 0);
		const names = plan.databases.map(one => clean(one.name, glyphs)).join(', ');
		lines.push([
			span(`   ${plural(plan.databases.length, 'database')}, ~${formatBytes(total)}`),
			span(`   ${names}`, 'quiet'),
		]);
		for (const [label, value] of plan.facts)
			lines.push([
				span(`   ${fit(clean(label, glyphs), 12, {mark: glyphs.cut})} `, 'quiet'),
				span(clean(value, glyphs)),
			]);
	}
	lines.push(blank, [span(' The last runs', 'strong')]);
	if (runs === undefined && problem === undefined) lines.push([span(`   reading${glyphs.cut}`, 'quiet')]);
	else if (runs === undefined || runs.length === 0) lines.push([span('   none yet', 'quiet')]);
	for (const run of runs ?? []) {
		const failed = run.failed.map(name => clean(name, glyphs)).join(', ');
		const mark =
			run.state === 'complete'
				? span(`${glyphs.done} complete`, 'done')
				: run.state === 'partial'
					? span(`${glyphs.failed} PARTIAL`, 'failed')
					: span('unknown', 'quiet');
		lines.push([
			span(`   ${fit(`${formatAge(run.time, now)} ago`, 9, {align: 'right'})}  `),
			span(`${formatDate(run.time)}  `, 'quiet'),
			mark,
			span(failed === '' ? '' : `, failed: ${failed}`, 'failed'),
			span(run.encrypted ? ` ${glyphs.dot} encrypted` : '', 'quiet'),
		]);
	}
	lines.push(blank, [
		span(' b', 'key'),
		span(' back up   ', 'quiet'),
		span('2', 'key'),
		span(' files: find, fetch and decrypt a dump   ', 'quiet'),
		span('3', 'key'),
		span(' log', 'quiet'),
	]);
	return lines.map(line => cutLine(line, columns - 1, glyphs.cut));
}

/** Local wall clock, `2026-11-22 10:05:12`. */
function formatDate(time: number): string {
	const date = new Date(time);
	const pad = (value: number) => String(value).padStart(2, '0');
	return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${formatTime(time)}`;
}
