/** Times as texts, in the local time zone of the process. */

/** Returns `2026-11-22`. */
export function localDate(time: Date): string {
	return `${String(time.getFullYear()).padStart(4, '0')}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
}

/** Returns `10:05:12`. */
export function localClock(time: Date): string {
	return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** Returns `20261122T100512`, for the names of databases. */
export function compactTime(time: Date): string {
	return `${localDate(time).replaceAll('-', '')}T${localClock(time).replaceAll(':', '')}`;
}

function two(value: number): string {
	return String(value).padStart(2, '0');
}
