import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {describe, it} from 'node:test';
import {fileURLToPath} from 'node:url';
import fc from 'fast-check';
import {formatTimestamp, parseTimestamp, timestampSource} from '../../source/lib/time.js';

const zones = [
	'UTC',
	'Europe/Berlin',
	'America/New_York',
	'Asia/Kolkata',
	'Australia/Lord_Howe',
	'Pacific/Apia',
	'America/St_Johns',
	'Asia/Kathmandu',
];

/** Every half hour of a year, and the seconds around each change of clocks, in another zone: a process of its own. */
function checkZone(zone: string): string {
	const module = fileURLToPath(new URL('../../source/lib/time.ts', import.meta.url));
	const script = `
		import {formatTimestamp, parseTimestamp} from ${JSON.stringify(module)};
		let repeated = 0;
		for (let time = Date.UTC(2025, 11, 30); time < Date.UTC(2027, 0, 2); time += 899_000) {
			const text = formatTimestamp(new Date(time), 'rfc3339');
			if (parseTimestamp(text) !== time) throw new Error(text);
			const legacy = formatTimestamp(new Date(time), 'legacy');
			const read = parseTimestamp(legacy);
			if (formatTimestamp(new Date(read), 'legacy') !== legacy || read > time) throw new Error(legacy);
			if (read !== time) repeated++;
		}
		process.stdout.write(String(repeated) + ' ' + formatTimestamp(new Date(0), 'rfc3339'));
	`;
	return execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
		encoding: 'utf8',
		env: {...process.env, TZ: zone},
	});
}

describe('time stamps', () => {
	for (const zone of zones) {
		it(`are read back exactly in ${zone}, but for the hour that comes twice`, () => {
			const [repeated] = checkZone(zone).split(' ');
			const changes = ['Europe/Berlin', 'America/New_York', 'America/St_Johns'].includes(zone)
				? 4
				: zone === 'Australia/Lord_Howe'
					? 2
					: 0;
			assert.ok(Math.abs(Number(repeated) - changes) <= 1, repeated);
		});
	}

	it('have the zone that the place has', () => {
		assert.equal(checkZone('UTC').split(' ')[1], '1970-01-01T00:00:00Z');
		assert.equal(checkZone('Asia/Kolkata').split(' ')[1], '1970-01-01T05:30:00+05:30');
		assert.equal(checkZone('America/New_York').split(' ')[1], '1969-12-31T19:00:00-05:00');
	});

	it('are read with any offset', () => {
		assert.equal(parseTimestamp('2026-10-03T02:00:00+02:00'), Date.UTC(2026, 9, 3));
		assert.equal(parseTimestamp('2026-10-02T18:30:00-05:30'), Date.UTC(2026, 9, 3));
		assert.equal(parseTimestamp('0050-01-01T00:00:00Z'), new Date('0050-01-01T00:00:00Z').getTime());
		assert.equal(parseTimestamp('2024-02-29T00:00:00Z'), Date.UTC(2024, 1, 29));
		assert.equal(parseTimestamp('2000-02-29_01-02-03'), new Date(2000, 1, 29, 1, 2, 3).getTime());
		assert.equal(formatTimestamp(new Date(2026, 0, 2, 3, 4, 5), 'legacy'), '2026-01-02_03-04-05');
	});

	it('are valid dates, wholly, or nothing', () => {
		const bad = [
			'', '2026-10-03', '2026-13-03T00:00:00Z', '2026-00-03T00:00:00Z', '2026-02-29T00:00:00Z', '1900-02-29T00:00:00Z', '2026-04-31_00-00-00', '2026-10-00T00:00:00Z',
			'2026-10-03T24:00:00Z', '2026-10-03T23:60:00Z', '2026-10-03T23:59:60Z', '2026-10-03T00:00:00', '2026-10-03T00:00:00z', '2026-10-03T00:00:00+25:00',
			'2026-10-03T00:00:00+01:60', '2026-10-03T00:00:00+0100', '2026-10-03T00:00:00.1Z', '2026-10-03T00:00:00Z ', '2026-10-03_00-00-00Z', '2026-10-03_25-00-00', '+2026-10-03T00:00:00Z',
		]; // prettier-ignore
		for (const text of bad) assert.equal(parseTimestamp(text), undefined, text);
		const whole = new RegExp(`^(?:${timestampSource})$`);
		fc.assert(
			fc.property(fc.stringMatching(/^\d{4}-\d\d-\d\d[T_]\d\d[:-]\d\d[:-]\d\d(?:Z|[+-]\d\d:\d\d)?$/), text => {
				if (parseTimestamp(text) !== undefined) assert.match(text, whole);
			}),
		);
	});
});
