/** The screen behind a question: still readable, without color. */
import type {Frame} from '../console.js';
import {blank, type Line, lineText, span} from '../text.js';
import {detailScreen} from './detail-screen.js';
import {filesScreen} from './files-screen.js';
import {fleetScreen} from './fleet-screen.js';
import {jobsScreen} from './jobs-screen.js';
import {logsScreen} from './logs-screen.js';
import {serverScreen} from './server-screen.js';

/** Returns exactly `rows` lines. */
export function backdrop(frame: Frame): readonly Line[] {
	const above = upperLines(frame);
	const below = frame.view.screen === 'jobs' ? jobsScreen(frame).log : [];
	const middle = Array.from({length: Math.max(0, frame.rows - above.length - below.length - 1)}, () => blank);
	return [...above, ...middle, ...below, blank]
		.slice(0, frame.rows)
		.map(line => (line.length === 0 ? line : [span(lineText(line), 'quiet')]));
}

function upperLines(frame: Frame): readonly Line[] {
	const screens = {
		...{jobs: jobsScreen, detail: detailScreen, files: filesScreen, logs: logsScreen},
		...{fleet: fleetScreen, server: serverScreen},
	};
	const {header, list} = screens[frame.view.screen](frame);
	return [...header, ...list];
}
