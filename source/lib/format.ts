/** Formats numbers for people. Sizes are binary (1 GiB = 2^30 bytes). */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Returns `0 B`, `12 KiB`, `8.1 GiB`: at most three digits, but for bytes, so that columns of 8 have room for a `~`. */
export function formatBytes(bytes: number): string {
	let value = bytes;
	let unit = 0;
	while (value >= (unit === 0 ? 1023.5 : 999.5) && unit < units.length - 1) {
		value /= 1024;
		unit++;
	}
	const digits = unit > 0 && value < 9.95 ? 1 : 0;
	return `${value.toFixed(digits)} ${units[unit] ?? 'B'}`;
}

/** Formats seconds as `0.4s`, `58s`, `1m03s`, `2h05m`, `3d04h`. */
export function formatDuration(seconds: number): string {
	const whole = Math.round(seconds);
	if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
	if (whole < 60) return `${whole}s`;
	const pad = (value: number) => String(value).padStart(2, '0');
	if (whole < 3600) return `${Math.floor(whole / 60)}m${pad(whole % 60)}s`;
	if (whole < 86_400) return `${Math.floor(whole / 3600)}h${pad(Math.floor((whole % 3600) / 60))}m`;
	return `${Math.floor(whole / 86_400)}d${pad(Math.floor((whole % 86_400) / 3600))}h`;
}

/** Returns `1 284`: thousands separated by a plain space, so that columns stay readable. */
export function formatCount(count: number): string {
	return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ' ');
}

/** Appends `s` unless the count is exactly one. */
export function plural(count: number, noun: string, many = `${noun}s`): string {
	return `${formatCount(count)} ${count === 1 ? noun : many}`;
}
