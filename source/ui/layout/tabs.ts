/** The list of screens with the current one: the beginning of every main screen's first row. */
import {countJobs} from '../../core/jobs.js';
import {workShare} from '../../core/work.js';
import type {Frame} from '../console.js';
import type {FleetStore} from '../fleet/store.js';
import {type Line, type Span, span, spread} from '../text.js';
import {type MainScreen, screens} from '../view.js';
import {percent} from './bar.js';

const names = {jobs: '1 Jobs', files: '2 Files', logs: '3 Logs', fleet: '4 Fleet'} as const;

/** Returns the available main screens: Fleet only if a fleet is configured. */
export function mainScreens({place}: Pick<FleetStore, 'place'>): readonly MainScreen[] {
	return place() === undefined ? screens.filter(screen => screen !== 'fleet') : screens;
}

/** Returns ` 1 Jobs  2 Files  3 Logs `, with the current one marked. */
export function tabSpans(current: MainScreen, fleet: Pick<FleetStore, 'place'>): Span[] {
	return mainScreens(fleet).flatMap(screen => {
		const title = names[screen];
		return screen === current
			? [{text: ' ', plain: '['}, span(title, 'title'), {text: ' ', plain: ']'}]
			: [span(' '), span(title, 'quiet'), span(' ')];
	});
}

/** Keeps a run visible on other screens: its progress, and failures. */
export function tabsLine(current: MainScreen, {run, columns, glyphs, fleet}: Frame, right: string): Line {
	const counts = countJobs(run);
	const tabs = [...tabSpans(current, fleet), span(' ')];
	if (counts.failed > 0) tabs.push(span(` ${glyphs.failed} ${counts.failed} failed`, 'failed'));
	const share = workShare(run);
	if (share !== undefined) {
		const amount = share.fraction === undefined ? '' : ` ${percent(share.fraction, share.estimated)}`;
		tabs.push(span(` ${glyphs.running} ${share.word}${amount}`, 'running'));
	} else if (counts.running > 0) tabs.push(span(` ${glyphs.running} ${counts.running} running`, 'running'));
	return spread(tabs, [span(`${right} `, 'quiet')], columns, glyphs.cut);
}
