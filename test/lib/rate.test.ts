import assert from 'node:assert/strict';
import {test} from 'node:test';
import {RateWindow} from '../../source/lib/rate.js';

test('the rate is that of the window, not of all time', () => {
	const rate = new RateWindow(10_000);
	assert.equal(rate.perSecond, undefined);
	rate.add(0, 0);
	assert.equal(rate.perSecond, undefined);
	for (let second = 1; second <= 60; second++)
		rate.add(second * 1000, second <= 30 ? second * 100 : 3000 + (second - 30) * 5);
	assert.equal(rate.perSecond, 5);
	rate.add(61_000, 10);
	assert.equal(rate.perSecond, undefined);
	rate.add(62_000, 30);
	assert.equal(rate.perSecond, 20);
});
