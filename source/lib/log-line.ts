import {display} from './display.js';

/** Returns `2026/11/28 17:00:00 FATAL: …` with a newline: the only format of log lines for people and for grep. */
export function logLine(time: number, level: string, text: string, precise = false): string {
	return `${logTime(time, precise)} ${level.toUpperCase()}: ${display(text)}\n`;
}

/** Returns `2026/11/22 10:05:12` in local time, with microseconds when `precise` (the clock has milliseconds). */
export function logTime(time: number, precise = false): string {
	const date = new Date(time);
	const two = (value: number) => String(value).padStart(2, '0');
	const day = `${date.getFullYear()}/${two(date.getMonth() + 1)}/${two(date.getDate())}`;
	const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
	return precise ? `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, '0')}000` : `${day} ${clock}`;
}
