/** A run of twelve databases that was recorded, played through the estimators: the time left that it showed, and what it was. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {type PlayedRun, playRun, readRun} from './recorded-run.js';

const read = (name: string) => readRun(new URL(`../../testdata/progress/${name}.json`, import.meta.url));
const recorded = read('twelve');
const again = read('twelve-again');

/** The time left that was shown against what it was, at a share of the time. */
function ratioAt({end, shown}: PlayedRun, share: number): number {
	return (shown.findLast(one => one.time <= end * share)?.eta ?? 0) / (((1 - share) * end) / 1000);
}

describe('a recorded run of twelve databases without a last run', () => {
	const {end, shown} = playRun(recorded);
	const at = (share: number) => shown.findLast(one => one.time <= end * share);

	test('the time left is within a factor of two at 25, 50 and 75 %, though a byte takes 25 times as long in one as in another', () => {
		for (const share of [0.25, 0.5, 0.75]) {
			const left = ((1 - share) * end) / 1000;
			const ratio = (at(share)?.eta ?? 0) / left;
			assert.ok(ratio > 0.6 && ratio < 1.6, `${share}: ${String(at(share)?.eta)} of ${left}`);
		}
	});

	test('it stays within that from the first tables on', () => {
		const late = shown.filter(one => one.time > end * 0.2 && one.time < end * 0.95);
		const far = late.filter(one => {
			const ratio = (one.eta ?? 0) / ((end - one.time) / 1000);
			return ratio < 0.5 || ratio > 2;
		});
		assert.ok(far.length <= late.length / 10, far.map(one => `${one.time}: ${String(one.eta)}`).join('; '));
	});

	test('the percentage is monotone, below 1, and within 20 points', () => {
		for (const [index, {fraction = 0}] of shown.entries())
			assert.ok(fraction < 1 && fraction >= (shown[index - 1]?.fraction ?? 0));
		for (const share of [0.25, 0.5, 0.75])
			assert.ok(Math.abs((at(share)?.fraction ?? 0) - share) < 0.2, `${share}: ${String(at(share)?.fraction)}`);
	});
});

describe('the same run at another time, when the machine was busy with other things', () => {
	test('without a last run: within a factor of two, once half is done', () => {
		const played = playRun(again);
		for (const share of [0.5, 0.75]) assert.ok(Math.abs(Math.log2(ratioAt(played, share))) < 1, String(share));
	});

	for (const [name, first, second] of [
		['the earlier', recorded, again],
		['the later', again, recorded],
	] as const) {
		test(`with ${name} one as its last run: within 25 % in the median, and a third at the most`, () => {
			const played = playRun(second, playRun(first).learned);
			const off = [0.25, 0.5, 0.75].map(share => Math.abs(ratioAt(played, share) - 1)).sort((a, b) => a - b);
			assert.ok((off[1] ?? 1) < 0.25 && (off[2] ?? 1) < 0.34, off.join(' '));
			const at = (share: number) => played.shown.findLast(one => one.time <= played.end * share)?.fraction ?? 0;
			for (const share of [0.25, 0.5, 0.75]) assert.ok(Math.abs(at(share) - share) < 0.15, `${share}: ${at(share)}`);
		});
	}
});
