/** Compares the percentages and remaining times that a run displayed with the real ones. */
import type {RunEvent} from '../../source/core/events.js';
import {median} from './statistics.js';

/** Fractions of the time at which values are compared. */
export const shares = [0.25, 0.5, 0.75] as const;

export type Ran = {readonly events: readonly RunEvent[]; readonly seconds: number};

/** The last displayed values at a fraction of a period. */
type Shown = {readonly fraction: number | undefined; readonly eta: number | undefined};
type Stretch = {
	readonly name: string;
	readonly start: number;
	readonly end: number;
	readonly shown: readonly (Shown & {readonly time: number})[];
};

/** Prints the displayed remaining time of the run against the real one at each fraction of the time, and returns it. */
export function report(title: string, {events, seconds}: Ran): readonly number[] {
	console.log(`\n${title}: ${seconds.toFixed(1)} s`);
	const [whole, ...jobs] = stretches(events);
	if (!whole) return [];
	console.log('                 percentage shown at 25 / 50 / 75 %      time left, shown : true, in seconds');
	const long = jobs.filter(job => job.end - job.start > 4000);
	for (const one of [whole, ...long]) line(one);
	return shares.map(share => {
		const own = errorAt(whole, share);
		const errors = long.flatMap(job => errorAt(job, share) ?? []);
		const points = `${(median(errors.map(error => error.points)) * 100).toFixed(0)} points`;
		const left = `${((median(errors.map(error => Math.exp(Math.abs(Math.log(error.ratio))))) - 1) * 100).toFixed(0)} %`;
		console.log(
			`at ${share * 100} %: run ${own === undefined ? 'says nothing' : `off by ${(own.points * 100).toFixed(0)} points, time left x${own.ratio.toFixed(2)}`}` +
				(errors.length === 0 ? '' : `; dumps (median of ${errors.length}) off by ${points}, time left off by ${left}`),
		);
		return own?.ratio ?? Number.NaN;
	});
}

function line(one: Stretch): void {
	const fractions = shares.map(share =>
		`${((shownAt(one, share)?.fraction ?? Number.NaN) * 100).toFixed(0)} %`.padStart(6),
	);
	const etas = shares.map(share =>
		`${(shownAt(one, share)?.eta ?? Number.NaN).toFixed(1)}:${(((1 - share) * (one.end - one.start)) / 1000).toFixed(1)}`.padStart(
			12,
		),
	);
	console.log(`${one.name.padEnd(18)} ${fractions.join(' ')}          ${etas.join(' ')}`);
}

function shownAt({start, end, shown}: Stretch, share: number): Shown | undefined {
	return shown.findLast(one => one.time <= start + (end - start) * share);
}

function errorAt(one: Stretch, share: number): {readonly points: number; readonly ratio: number} | undefined {
	const shown = shownAt(one, share);
	if (shown?.fraction === undefined || shown.eta === undefined) return undefined;
	const left = ((1 - share) * (one.end - one.start)) / 1000;
	return {points: Math.abs(shown.fraction - share), ratio: Math.max(0.01, shown.eta) / left};
}

/** Returns the run first, then its dumps. */
function stretches(events: readonly RunEvent[]): Stretch[] {
	const jobs = [
		...new Set(
			events.flatMap(event => (event.type === 'job.started' && event.job.startsWith('database:') ? [event.job] : [])),
		),
	];
	const time = (type: 'job.started' | 'job.finished', job: string) =>
		events.find(event => event.type === type && event.job === job)?.time ?? 0;
	const all = jobs.map(job => ({
		name: job.slice('database:'.length),
		start: time('job.started', job),
		end: time('job.finished', job),
		shown: events.flatMap(event => {
			const found = event.type === 'progress' ? event.jobs.find(one => one.job === job) : undefined;
			return found ? [{time: event.time, fraction: found.fraction, eta: found.eta}] : [];
		}),
	}));
	const totals = events.flatMap(event =>
		event.type === 'run.totals' ? [{time: event.time, fraction: event.fraction, eta: event.eta}] : [],
	);
	return [
		{
			name: 'the run',
			start: Math.min(...all.map(one => one.start)),
			end: Math.max(...all.map(one => one.end)),
			shown: totals,
		},
		...all,
	];
}
