/** Formats log lines as rows: the same words as the plain log, by level. */
import type {LogLine} from '../../core/run-state.js';
import {localClock} from '../../lib/local-time.js';
import {cellWidth, fit} from '../../lib/width.js';
import {clean, type Glyphs} from '../glyphs.js';
import {type Line, span, type Tone} from '../text.js';
import {wrapCells} from './wrap.js';

const tones: Readonly<Record<LogLine['level'], Tone>> = {
	debug: 'quiet',
	info: 'plain',
	warn: 'warn',
	error: 'failed',
	fatal: 'failed',
	hint: 'warn',
};

/** The word replaces the color when there is none. */
const words: Readonly<Record<LogLine['level'], string>> = {
	debug: 'debug',
	info: 'info',
	warn: 'warn',
	error: 'error',
	fatal: 'fatal',
	hint: 'hint',
};

/** Returns the local wall clock time, `10:05:12`. */
export function formatTime(time: number): string {
	return localClock(new Date(time));
}

export type LogOptions = {
	readonly times: boolean;
	readonly wrap: boolean;
	readonly width: number;
	readonly glyphs: Glyphs;
	/** Under the cursor. */
	readonly active?: boolean;
};

/** Returns one row, or as many as necessary with `wrap`. */
export function logRows(line: LogLine, {times, wrap, width, glyphs, active = false}: LogOptions): readonly Line[] {
	const start: Line = [
		span(active ? glyphs.pointer : ' ', 'key'),
		...(times ? [span(`${formatTime(line.time)} `, 'quiet')] : []),
		span(words[line.level].padEnd(6), tones[line.level]),
	];
	const indent = (times ? 10 : 1) + 6;
	const room = width - indent;
	const text = clean(line.text, glyphs);
	const tone = line.level === 'info' ? undefined : tones[line.level];
	if (!wrap || cellWidth(text) <= room || room < 4)
		return [[...start, span(fit(text, Math.max(1, room), {mark: glyphs.cut}).trimEnd(), tone)]];
	return wrapCells(text, room).map((piece, index) => [
		...(index === 0 ? start : [span(' '.repeat(indent))]),
		span(piece, tone),
	]);
}
