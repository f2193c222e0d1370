import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {intoName} from '../../source/core/into-name.js';
import {compactTime, localClock, localDate} from '../../source/lib/local-time.js';

describe('local times', () => {
	const time = new Date(2026, 0, 2, 3, 4, 5);

	it('are dates, times of day, and both in one word', () => {
		assert.equal(localDate(time), '2026-01-02');
		assert.equal(localClock(time), '03:04:05');
		assert.equal(compactTime(time), '20260102T030405');
	});

	it('are part of the names of restored databases', () => {
		assert.equal(intoName('{dbname}_{time}', 'app', time), 'app_20260102T030405');
		assert.equal(intoName('', 'app', time), 'app');
		assert.equal(intoName('{dbname}', '{time}', time), '{time}', 'a name is not a pattern');
	});
});
