/** A dump that was recorded (`npm run bench:progress -- --record FILE`), played through the estimator: what it said, and what was. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {describe, test} from 'node:test';
import {type Copying, JobEstimator} from '../../source/progress/estimator.js';
import type {JobPast, TableFacts} from '../../source/progress/tables.js';

type Recording = {
	/** Milliseconds. */
	readonly end: number;
	readonly workers: number;
	readonly tables: readonly TableFacts[];
	readonly samples: readonly {readonly time: number; readonly copying: readonly Copying[]}[];
};

const recording = JSON.parse(
	readFileSync(new URL('../../testdata/progress/archive.json', import.meta.url), 'utf8'),
) as Recording;
const {end, workers, tables, samples} = recording;
const start = samples.find(sample => sample.copying.length > 0)?.time ?? 0;

function play(past?: JobPast) {
	const estimator = new JobEstimator({tables, workers, ...(past && {past})});
	const shown = samples.map(({time, copying}) => {
		if (time >= start) estimator.add(time, copying);
		return {time, ...estimator.estimate()};
	});
	const at = (share: number) => shown.findLast(one => one.time <= start + (end - start) * share) ?? shown[0];
	return {estimator, shown, at};
}

function pastOf(estimator: JobEstimator): JobPast {
	const seen = new Map(estimator.seen().map(({name, past}) => [name, past]));
	return {seconds: (end - start) / 1000, before: 0, after: 0, table: name => seen.get(name)};
}

describe('a recorded dump: narrow rows, documents, and a table that is nearly all TOAST', () => {
	test('without a last run the percentage is monotone, below 1, and not far off', () => {
		const {shown, at} = play();
		for (const [index, one] of shown.entries())
			assert.ok(one.fraction < 1 && one.fraction >= (shown[index - 1]?.fraction ?? 0));
		assert.ok(shown.every(one => one.estimated));
		for (const share of [0.25, 0.5, 0.75])
			assert.ok(Math.abs((at(share)?.fraction ?? 0) - share) < 0.35, `${share}: ${String(at(share)?.fraction)}`);
	});

	test('with a last run percentage and time left are those of time', () => {
		const first = play();
		const {at} = play(pastOf(first.estimator));
		for (const share of [0.25, 0.5, 0.75]) {
			const said = at(share);
			assert.ok(Math.abs((said?.fraction ?? 0) - share) < 0.1, `${share}: ${String(said?.fraction)}`);
			const left = ((1 - share) * (end - start)) / 1000;
			assert.ok(
				Math.abs((said?.remaining ?? 0) - left) < 0.25 * left + 0.5,
				`${share}: ${String(said?.remaining)} of ${left}`,
			);
		}
	});

	test('every table that was seen has its seconds, and together they are the dump', () => {
		const {estimator} = play();
		const seconds = estimator.seen().reduce((sum, {past}) => sum + past.seconds, 0);
		assert.ok(Math.abs(seconds - (end - start) / 1000) < 1.5, `${seconds} of ${(end - start) / 1000}`);
	});
});
