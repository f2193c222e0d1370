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
// The two letters mu are escaped: one character beyond ASCII doubles the memory of the program's text and the time to load it.
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00B5s|\u03BCs|ms|s|m|h|d|w)/g;
const whole = /^([-+]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|\u00B5s|\u03BCs|ms|s|m|h|d|w))+|0)$/;

/** Parses a duration such as `90m`, `1h30m`, `-1.5h`, with days and weeks (`2d`, `1w`), to milliseconds. */
export function parseDuration(text: string): Parsed<number> {
	const match = whole.exec(text);
	if (!match) {
		const meant = likelyDuration(text);
		const suggestion = meant === undefined ? '' : `, did you mean ${meant}?`;
		return {problem: `${JSON.stringify(text)} is not a duration, such as 36h, 1h30m or 2d${suggestion}`};
	}
	let sum = 0;
	for (const [, amount, unit] of (match[2] ?? '').matchAll(part))
		sum += Number(amount) * (milliseconds[unit ?? ''] ?? 0);
	return {value: match[1] === '-' && sum !== 0 ? -sum : sum};
}

/**
 * Parses an age limit to milliseconds: a number of days, or a duration in units up to hours. Days have no unit, for
 * compatibility with earlier versions.
 */
export function parseInterval(text: string): Parsed<number> {
	if (/^[-+]?\d+$/.test(text)) return {value: Number(text) * 86_400_000 || 0};
	const parsed = /[dw]/.test(text) ? {problem: ''} : parseDuration(text);
	if (parsed.problem === undefined) return parsed;
	const meant = parseDuration(likelyDuration(text) ?? text).value;
	const suggestion = meant === undefined ? '' : `, did you mean ${asInterval(meant)}`;
	return {
		problem: `${JSON.stringify(text)} is neither a number of days nor a duration, such as 36h or 90m${suggestion}`,
	};
}

/** Suggests `14` for two weeks, `36h`, `90m`: forms that `parseInterval` accepts. */
function asInterval(duration: number): string {
	const hours = duration / 3_600_000;
	if (Number.isInteger(hours / 24)) return `${hours / 24}? (days have no unit)`;
	return Number.isInteger(hours) ? `${hours}h?` : `${Math.round(hours * 60)}m?`;
}

const unitWords: readonly (readonly [words: RegExp, unit: string, times: number])[] = [
	[/^s(ec(ond)?s?)?$/, 's', 1],
	[/^m(in(ute)?s?)?$/, 'm', 1],
	[/^h((ou)?rs?)?$/, 'h', 1],
	[/^d(ays?)?$/, 'd', 1],
	[/^w(eeks?)?$/, 'w', 1],
	[/^mo(n(th)?s?)?$/, 'd', 30],
	[/^y((ea)?rs?)?$/, 'd', 365],
];

/** Suggests `36h` for `36 hours`, `365d` for `1 Year`; returns undefined for anything but one number with a unit. */
function likelyDuration(text: string): string | undefined {
	const [, number = '', word = ''] = /^\s*([-+]?\d{1,15})\s*([a-z]+)\s*$/i.exec(text) ?? [];
	const found = unitWords.find(([words]) => words.test(word.toLowerCase()));
	return found && `${Number(number) * found[2]}${found[1]}`;
}
