import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {parseDuration, parseInterval} from '../../source/lib/duration.js';

const hour = 3_600_000;

test('durations with units, in milliseconds', () => {
	const cases: readonly (readonly [string, number])[] = [
		['0', 0],
		['-0', 0],
		['90m', 1.5 * hour],
		['1h30m', 1.5 * hour],
		['-1.5h', -1.5 * hour],
		['+2s', 2000],
		['.5s', 500],
		['5.s', 5000],
		['1500ms', 1500],
		['1000us', 1],
		['1000µs', 1],
		['1000μs', 1],
		['1000000ns', 1],
		['2d', 48 * hour],
		['1w', 168 * hour],
	];
	for (const [text, value] of cases) assert.deepEqual(parseDuration(text), {value}, text);
	for (const text of ['', '1', '1.5', 'foo', '1x', '1h-2m', '.h', 'h', '1 h', '--1h']) {
		assert.match(parseDuration(text).problem ?? '', /is not a duration/, text);
	}
});

test('an interval is a count of days of any size, or a duration up to hours', () => {
	assert.deepEqual(parseInterval('5'), {value: 120 * hour});
	assert.deepEqual(parseInterval('+5'), {value: 120 * hour});
	assert.deepEqual(parseInterval('-0'), {value: 0});
	assert.deepEqual(parseInterval('-2'), {value: -48 * hour});
	assert.deepEqual(parseInterval('-1h'), {value: -hour});
	assert.deepEqual(parseInterval('106752'), {value: 106_752 * 24 * hour});
	assert.deepEqual(parseInterval('365000'), {value: 365_000 * 24 * hour});
	assert.deepEqual(parseInterval('9'.repeat(400)), {value: Number.POSITIVE_INFINITY});
	for (const text of ['', 'foo', '1d', '1.5', '0x10', '1_0']) {
		assert.match(parseInterval(text).problem ?? '', /neither a number of days nor a duration/, text);
	}
});

test('what was probably meant is suggested', () => {
	const suggestion = (problem: string | undefined) => / did you mean (.*)$/.exec(problem ?? '')?.[1];
	for (const [text, meant] of [
		['36 hours', '36h?'],
		['5 Min', '5m?'],
		['90secs', '90s?'],
		['2 days', '2d?'],
		['1 month', '30d?'],
		['1y', '365d?'],
		['1 fortnight', undefined],
		['soon', undefined],
		['36', undefined],
	] as const)
		assert.equal(suggestion(parseDuration(text).problem), meant, text);
	for (const [text, meant] of [
		['30d', '30? (days have no unit)'],
		['2 weeks', '14? (days have no unit)'],
		['1d12h', '36h?'],
		['1d30m', '1470m?'],
		['36 H', '36h?'],
		['soon', undefined],
	] as const)
		assert.equal(suggestion(parseInterval(text).problem), meant, text);
});

test('more days are never a shorter interval', () => {
	fc.assert(
		fc.property(fc.bigInt({min: 0n, max: 2n ** 80n}), fc.bigInt({min: 0n, max: 2n ** 80n}), (a, b) => {
			const [small, large] = a < b ? [a, b] : [b, a];
			assert.ok(
				(parseInterval(String(small)).value ?? Number.NaN) <= (parseInterval(String(large)).value ?? Number.NaN),
			);
		}),
	);
});

test('no text takes long or throws', () => {
	fc.assert(fc.property(fc.string(), text => void parseInterval(text)));
	const before = process.cpuUsage().user;
	parseInterval('1'.repeat(200_000) + 'x');
	parseInterval('1h'.repeat(100_000) + '!');
	assert.ok(process.cpuUsage().user - before < 2e6);
});
