/** Days, ISO weeks, months and years of the local calendar, as texts. */

export type PeriodKind = 'daily' | 'weekly' | 'monthly' | 'yearly';

/**
 * Returns the period that contains `time` (milliseconds since the epoch): `2026-10-03`, `2026-W40`, `2026-10` or
 * `2026`.
 */
export function periodOf(time: number, kind: PeriodKind): string {
	const date = new Date(time);
	const year = pad(date.getFullYear(), 4);
	switch (kind) {
		case 'daily':
			return `${year}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
		case 'weekly':
			return isoWeek(date);
		case 'monthly':
			return `${year}-${pad(date.getMonth() + 1)}`;
		case 'yearly':
			return year;
	}
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
