import {display} from './display.js';
import {localClock, localDate} from './local-time.js';

/** Returns `2026/11/28 17:00:00 FATAL: …` with a newline: the only format of log lines for people and for grep. */
export function logLine(time: number, level: string, text: string, precise = false): string {
	return `${logTime(time, precise)} ${level.toUpperCase()}: ${display(text)}\n`;
}

/** Returns `2026/11/22 10:05:12` in local time, with microseconds when `precise` (the clock has milliseconds). */
export function logTime(time: number, precise = false): string {
	const date = new Date(time);
	const text = `${localDate(date).replaceAll('-', '/')} ${localClock(date)}`;
	return precise ? `${text}.${String(date.getMilliseconds()).padStart(3, '0')}000` : text;
}
