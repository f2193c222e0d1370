/** Timestamps in file names, to the second, in the local time zone of the process. */
import {localClock, localDate} from './local-time.js';

export const timestampFormats = ['rfc3339', 'legacy'] as const;
export type TimestampFormat = (typeof timestampFormats)[number];

/** Matches the text of either format exactly; the match may still be an invalid date (`2026-02-30…`). */
export const timestampSource = String.raw`\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)|_\d\d-\d\d-\d\d)`;

const pattern = new RegExp(`^${timestampSource}$`);

/** Returns `2006-01-02T15:04:05+01:00` (`Z` when the local offset is zero), or `2006-01-02_15-04-05` without a zone. */
export function formatTimestamp(time: Date, format: TimestampFormat): string {
	const [date, clock] = [localDate(time), localClock(time)];
	return format === 'legacy' ? `${date}_${clock.replaceAll(':', '-')}` : `${date}T${clock}${zone(time)}`;
}

/**
 * Returns milliseconds since the epoch, or undefined unless the whole text is a valid time in one of the two formats. A
 * text without a zone is in local time; in the hour that is repeated when clocks change, it is the first of the two
 * instants.
 */
export function parseTimestamp(text: string): number | undefined {
	if (!pattern.test(text)) return undefined;
	// Called for each of a million names: destructuring arrays makes iterators.
	const year = digits(text, 0, 4);
	const month = digits(text, 5, 2);
	const day = digits(text, 8, 2);
	const hour = digits(text, 11, 2);
	const minute = digits(text, 14, 2);
	const second = digits(text, 17, 2);
	if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59) {
		return undefined;
	}
	if (text.charAt(10) === '_') {
		const local = new Date(2000, 0, 1);
		local.setFullYear(year, month - 1, day);
		local.setHours(hour, minute, second, 0);
		return local.getTime();
	}
	const isUtc = text.endsWith('Z');
	const offsetHours = isUtc ? 0 : digits(text, 20, 2);
	const offsetMinutes = isUtc ? 0 : digits(text, 23, 2);
	if (offsetHours > 24 || offsetMinutes > 59) return undefined;
	const offset = (text.charAt(19) === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes);
	return utcTime(year, month, day) + ((hour * 60 + minute - offset) * 60 + second) * 1000;
}

function digits(text: string, from: number, length: number): number {
	let value = 0;
	for (let index = from; index < from + length; index++) value = value * 10 + text.charCodeAt(index) - 0x30;
	return value;
}

/** Returns the start of a day in UTC. */
function utcTime(year: number, month: number, day: number): number {
	// Date.UTC takes a year below 100 for one of the 20th century.
	return year < 100 ? new Date(0).setUTCFullYear(year, month - 1, day) : Date.UTC(year, month - 1, day);
}

function zone(time: Date): string {
	const offset = -time.getTimezoneOffset(); // minutes east of Greenwich
	if (offset === 0) return 'Z';
	const size = Math.abs(offset);
	return `${offset < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(Math.floor(size % 60))}`;
}

function daysIn(year: number, month: number): number {
	if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
	return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function pad(value: number): string {
	return String(value).padStart(2, '0');
}
