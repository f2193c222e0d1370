import {type Parsed} from './parsed.js';

const milliseconds: Readonly<Record<string, number>> = {
	ns: 1e-6,
	us: 1e-3,
	µs: 1e-3,
	μs: 1e-3,
	ms: 1,
	s: 1000,
	m: 60_000,
	h: 3_600_000,
	d: 86_400_000,
	w: 604_800_000,
};
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)/g;
const whole = /^([-+]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d|w))+|0)$/;

/** A duration such as `90m`, `1h30m`, `-1.5h`, with days and weeks (`2d`, `1w`): milliseconds. */
export function parseDuration(text: string): Parsed<number> {
	const match = whole.exec(text);
	if (!match) return {problem: `${JSON.stringify(text)} is not a duration, such as 36h, 1h30m or 2d`};
	let sum = 0;
	for (const [, amount, unit] of (match[2] ?? '').matchAll(part))
		sum += Number(amount) * (milliseconds[unit ?? ''] ?? 0);
	return {value: match[1] === '-' && sum !== 0 ? -sum : sum};
}

/**
 * An age limit: a count of days of any size, or a duration in units up to hours: milliseconds. Days have no unit, as
 * pg_back has always written them.
 */
export function parseInterval(text: string): Parsed<number> {
	if (/^[-+]?\d+$/.test(text)) return {value: Number(text) * 86_400_000 || 0};
	const parsed = /[dw]/.test(text) ? {problem: ''} : parseDuration(text);
	if (parsed.problem === undefined) return parsed;
	return {problem: `${JSON.stringify(text)} is neither a number of days nor a duration, such as 36h or 90m`};
}
