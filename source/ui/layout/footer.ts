/** The last row of every screen. */
import {cellWidth} from '../../lib/width.js';
import {isWorking, type Frame} from '../console.js';
import {clean} from '../glyphs.js';
import {footerBindings, keyLabel, type Binding, type ScreenName} from '../keymap.js';
import {cutLine, keepEnd, span, textCursor, type Line} from '../text.js';

export function footerLine(frame: Frame): Line {
	const {view, glyphs, columns, now} = frame;
	if (view.editing !== undefined) return filterLine(filterOf(frame), frame);
	if (view.message !== undefined && view.message.until > now) {
		return cutLine([span(` ${clean(view.message.text, glyphs)}`, view.message.tone)], columns, glyphs.cut);
	}
	return keysLine(view.screen, columns, glyphs.ascii, binding => isUseful(binding, frame));
}

export function filterOf({view}: Frame): string {
	if (view.screen === 'files') return view.files.filter;
	if (view.screen === 'logs') return view.logs.filter;
	return view.jobs.filter;
}

/** The field shows its end: what is being typed. */
function filterLine(filter: string, {columns, glyphs}: Frame): Line {
	const hint = '   enter keep  esc clear';
	const room = Math.max(4, columns - 4 - (columns > 50 ? hint.length : 0));
	const value = keepEnd(clean(filter, glyphs), room);
	return [span(' /', 'key'), span(value), textCursor, span(columns > 50 ? hint : '', 'quiet')];
}

/** Keys that would do nothing now are not offered. */
function isUseful({action}: Binding, {run, view, info}: Frame): boolean {
	if (info.readOnly && ['cancelJob', 'retryJob', 'backup', 'download', 'decrypt', 'verify', 'remove'].includes(action))
		return false;
	if (action === 'backup') return run.command === 'console' && !isWorking(run);
	const looked = view.screen === 'detail' ? run.jobs.get(view.detail.job) : undefined;
	const jobs = looked === undefined ? [...run.jobs.values()] : [looked];
	const has = (...states: readonly string[]) => jobs.some(job => states.includes(job.status));
	if (action === 'cancelJob') return has('running', 'waiting');
	if (action === 'retryJob') return has('failed', 'cancelled');
	if (action === 'nextError') return has('failed');
	return true;
}

/** As many keys as fit, help and quit always among them at the right end. */
export function keysLine(
	screen: ScreenName,
	width: number,
	ascii: boolean,
	useful: (binding: Binding) => boolean,
): Line {
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

/** Both directions in one. */
function label(binding: Binding, ascii: boolean): string {
	if (binding.action === 'down') return ascii ? 'up/down' : '↑↓';
	return keyLabel(binding, ascii);
}
