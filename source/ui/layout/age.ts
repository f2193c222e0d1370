/** Returns `3m`, `5h`, `12d`, `2y`; empty if the time is unknown. Times are in milliseconds since the epoch. */
export function formatAge(time: number, now: number): string {
	if (time === 0) return '';
	const minutes = Math.max(0, Math.floor((now - time) / 60_000));
	if (minutes < 60) return `${minutes}m`;
	if (minutes < 48 * 60) return `${Math.floor(minutes / 60)}h`;
	const days = Math.floor(minutes / 1440);
	return days < 1000 ? `${days}d` : `${Math.floor(days / 365)}y`;
}
