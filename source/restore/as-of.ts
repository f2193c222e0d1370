import {parseDuration} from '../lib/duration.js';
import type {Parsed} from '../lib/parsed.js';
import {parseTimestamp} from '../lib/time.js';

/**
 * Parses the value of `--as-of` to milliseconds since the epoch: a date (its end), a date with a time, both in local
 * time, a timestamp with a zone (RFC 3339), or an age such as `36h`.
 */
export function parseAsOf(text: string, now: Date): Parsed<number> {
	const [, year, month, day, clock] = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?$/.exec(text.trim()) ?? [];
	if (year !== undefined) {
		const [hour = 23, minute = 59, second = clock === undefined ? 59 : 0] = clock?.split(':').map(Number) ?? [];
		const time = parseTimestamp([`${year}-${month}-${day}`, [hour, minute, second].map(two).join('-')].join('_'));
		if (time !== undefined) return {value: time + 999};
	}
	const stamped = stampedTime(text.trim());
	if (stamped !== undefined) return {value: stamped};
	const age = parseDuration(text.trim());
	// An age before the year 1 is a slip of the keyboard, and beyond what a date can hold.
	if (age.problem === undefined && age.value >= 0 && age.value < now.getTime() - yearOne)
		return {value: now.getTime() - age.value};
	return {
		problem: `${JSON.stringify(text)} is not a date, a time or an age, such as 2026-11-20, 2026-11-20 14:30 or 36h`,
	};
}

const yearOne = Date.parse('0001-01-01T00:00:00Z');
const two = (value: number) => String(value).padStart(2, '0');

/**
 * Parses RFC 3339, also with a fraction of a second or in lower case. Without a fraction the whole second counts: file
 * names and messages show the start of a run without its milliseconds.
 */
function stampedTime(text: string): number | undefined {
	const [, date, clock, fraction, zone = ''] =
		/^([\d-]+)[Tt _]([\d:-]+?)(\.\d+)?([Zz]|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
	if (date === undefined || clock === undefined) return undefined;
	const time = parseTimestamp(zone === '' ? `${date}_${clock}` : `${date}T${clock}${zone.toUpperCase()}`);
	if (time === undefined || (zone === '' && fraction !== undefined)) return undefined;
	return time + (fraction === undefined ? 999 : Math.floor(Number(fraction) * 1000));
}
