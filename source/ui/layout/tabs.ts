/** The title of every screen but Jobs: which screens there are, and on which one stands. */
import {countJobs} from '../../core/state.js';
import type {Frame} from '../console.js';
import {span, spread, type Line, type Span} from '../text.js';
import {percent} from './bar.js';

const names = [
	['jobs', '1 Jobs'],
	['files', '2 Files'],
	['logs', '3 Logs'],
] as const;

/** A run that goes on elsewhere stays in sight: how far it is, and whether something failed. */
export function tabsLine(current: 'files' | 'logs', {run, columns, glyphs}: Frame, right: string): Line {
	const counts = countJobs(run);
	const tabs: Span[] = names.flatMap(([screen, title]) =>
		screen === current
			? [{text: ' ', plain: '['}, span(title, 'title'), {text: ' ', plain: ']'}]
			: [span(' '), span(title, 'quiet'), span(' ')],
	);
	tabs.push(span(' '));
	if (counts.failed > 0) tabs.push(span(` ${glyphs.failed} ${counts.failed} failed`, 'failed'));
	if (counts.running > 0) {
		const {totals} = run;
		const share = totals?.fraction === undefined ? '' : ` ${percent(totals.fraction, totals.estimated)}`;
		tabs.push(span(` ${glyphs.running} ${counts.running} running${share}`, 'running'));
	}
	return spread(tabs, [span(`${right} `, 'quiet')], columns, glyphs.cut);
}
