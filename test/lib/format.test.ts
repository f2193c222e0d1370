import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {formatBytes, formatCount, formatDuration, plural} from '../../source/lib/format.js';

describe('numbers for people', () => {
	it('are sizes with at most three digits and a unit', () => {
		const cases: [number, string][] = [[0, '0 B'], [1, '1 B'], [1023, '1023 B'], [1024, '1.0 KiB'], [12 * 1024, '12 KiB'], [10_188, '9.9 KiB'], [10_190, '10 KiB'], [999 * 1024, '999 KiB'], [999.6 * 1024, '1.0 MiB'], [1020 * 2 ** 20, '1.0 GiB'], [8.1 * 2 ** 30, '8.1 GiB'], [2 ** 60, '1024 PiB']]; // prettier-ignore
		for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
		fc.assert(
			fc.property(fc.nat({max: 2 ** 53 - 1}), bytes =>
				/^(?:\d{1,4} B|(?:\d{1,3}|\d\.\d) [KMGTP]iB)$/.test(formatBytes(bytes)),
			),
		);
	});

	it('are durations', () => {
		const cases: [number, string][] = [[0, '0.0s'], [0.44, '0.4s'], [9.94, '9.9s'], [9.96, '10s'], [58, '58s'], [59.7, '1m00s'], [63, '1m03s'], [3599.6, '1h00m'], [7500, '2h05m'], [86_399, '23h59m'], [86_400, '1d00h'], [273_600, '3d04h']]; // prettier-ignore
		for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text);
	});

	it('are counts', () => {
		const cases: [number, string][] = [
			[0, '0'],
			[999, '999'],
			[1284, '1 284'],
			[1_000_000, '1 000 000'],
			[-1234, '-1 234'],
		];
		for (const [count, text] of cases) assert.equal(formatCount(count), text);
		assert.deepEqual(
			[plural(1, 'file'), plural(0, 'file'), plural(1500, 'entry', 'entries')],
			['1 file', '0 files', '1 500 entries'],
		);
	});
});
