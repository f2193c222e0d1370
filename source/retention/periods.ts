/** Days, ISO weeks, months and years of the local calendar, as texts. */
import {localDate} from '../lib/local-time.js';

export type PeriodKind = 'daily' | 'weekly' | 'monthly' | 'yearly';

/**
 * Returns the period that contains `time` (milliseconds since the epoch): `2026-10-03`, `2026-W40`, `2026-10` or
 * `2026`.
 */
export function periodOf(time: number, kind: PeriodKind): string {
	const date = new Date(time);
	if (kind === 'weekly') return isoWeek(date);
	const day = localDate(date);
	if (kind === 'daily') return day;
	return day.slice(0, kind === 'monthly' ? -'-00'.length : -'-00-00'.length);
}

/** Returns the ISO 8601 week, which belongs to the year of its Thursday. */
function isoWeek(date: Date): string {
	const thursday = new Date(0);
	thursday.setUTCFullYear(date.getFullYear(), date.getMonth(), date.getDate());
	thursday.setUTCDate(thursday.getUTCDate() + 4 - (thursday.getUTCDay() || 7));
	const firstDay = new Date(0);
	firstDay.setUTCFullYear(thursday.getUTCFullYear(), 0, 1);
	const week = Math.floor((thursday.getTime() - firstDay.getTime()) / (7 * 86_400_000)) + 1;
	return `${pad(thursday.getUTCFullYear(), 4)}-W${pad(week)}`;
}

function pad(value: number, length = 2): string {
	return String(value).padStart(length, '0');
}
