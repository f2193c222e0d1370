/** Formats the last row of every screen. */
import {cellWidth} from '../../lib/width.js';
import {type Frame, isWorking} from '../console.js';
import {clean} from '../glyphs.js';
import {footerBindings, keyLabel} from '../key-help.js';
import {type Binding} from '../keymap.js';
import {cutLine, keepEnd, type Line, span, textCursor} from '../text.js';
import {filteredBy, type Screen} from '../view.js';

export function footerLine(frame: Frame): Line {
	const {view, glyphs, columns, now} = frame;
	if (view.editing !== undefined) return filterLine(filteredBy(view), frame);
	if (view.message !== undefined && view.message.until > now) {
		return cutLine([span(` ${clean(view.message.text, glyphs)}`, view.message.tone)], columns, glyphs.cut);
	}
	return keysLine(view.screen, columns, glyphs.ascii, binding => isUseful(binding, frame));
}

/** The field shows the end of the input. */
function filterLine(filter: string, {columns, glyphs}: Frame): Line {
	const hint = '   enter keep  esc clear';
	const room = Math.max(4, columns - 4 - (columns > 50 ? hint.length : 0));
	const value = keepEnd(clean(filter, glyphs), room);
	return [span(' /', 'key'), span(value), textCursor, span(columns > 50 ? hint : '', 'quiet')];
}

/** Actions on the rows of a list. */
const listActions: ReadonlySet<string> = new Set(['open', 'sort', 'filter', 'down']);

/** Hides keys that would do nothing now. */
function isUseful({action}: Binding, {run, view, info}: Frame): boolean {
	if (info.readOnly && ['cancelJob', 'retryJob', 'backup', 'download', 'decrypt', 'verify', 'remove'].includes(action))
		return false;
	if (action === 'backup') return run.command === 'console' && !isWorking(run);
	const looked = view.screen === 'detail' ? run.jobs.get(view.detail.job) : undefined;
	const jobs = looked === undefined ? [...run.jobs.values()] : [looked];
	const has = (...states: readonly string[]) => jobs.some(job => states.includes(job.status));
	// The first screen of a console lists no jobs: there is nothing to open, to sort or to filter.
	if (view.screen === 'jobs' && jobs.length === 0 && listActions.has(action)) return false;
	if (action === 'cancelJob') return has('running', 'waiting');
	if (action === 'retryJob') return jobs.some(job => job.canRetry);
	if (action === 'nextError') return has('failed') || jobs.some(job => (job.progress?.blocking?.length ?? 0) > 0);
	return true;
}

/** Returns as many keys as fit, always with help and quit at the right end. */
export function keysLine(screen: Screen, width: number, ascii: boolean, useful: (binding: Binding) => boolean): Line {
	const bindings = footerBindings(screen).filter(useful);
	const kept: Binding[] = [];
	let room = width - 1;
	for (const binding of bindings) {
		const cells = cellWidth(label(binding, ascii)) + 1 + binding.short.length + 2;
		if (cells > room) break;
		kept.push(binding);
		room -= cells;
	}
	const last = kept.filter(one => ['help', 'quit', 'escape'].includes(one.action)).toReversed();
	const shown = [...kept.filter(one => !last.includes(one)), ...last];
	return shown.flatMap(one => [span(` ${label(one, ascii)}`, 'key'), span(` ${one.short} `, 'quiet')]);
}

/** Combines both directions in one label. */
function label(binding: Binding, ascii: boolean): string {
	if (binding.action === 'down') return ascii ? 'up/down' : '↑↓';
	if (binding.action === 'nextLocation') return ascii ? 'left/right' : '← →';
	return keyLabel(binding, ascii);
}
