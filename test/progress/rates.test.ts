import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {TableRates} from '../../source/progress/rates.js';

const MiB = 1024 * 1024;

function close(actual: number | undefined, expected: number, by = 0.1): void {
	assert.ok(Math.abs((actual ?? 0) - expected) <= by * expected, `${String(actual)} of ${expected}`);
}

test('there is no rate before something was read, or from very small tables', () => {
	const rates = new TableRates();
	assert.equal(rates.seconds({bytes: MiB, toastBytes: 0}), undefined);
	rates.set('a', {bytes: 1000, toastBytes: 0, seconds: 1});
	assert.equal(rates.seconds({bytes: MiB, toastBytes: 0}), undefined);
});

test('rows and TOAST have rates of their own, found in mixtures too', () => {
	const rates = new TableRates();
	rates.set('rows', {bytes: 100 * MiB, toastBytes: 0, seconds: 1});
	rates.set('toast', {bytes: 100 * MiB, toastBytes: 100 * MiB, seconds: 20});
	close(rates.seconds({bytes: 50 * MiB, toastBytes: 0}), 0.5, 0.15);
	close(rates.seconds({bytes: 50 * MiB, toastBytes: 50 * MiB}), 10, 0.15);
	const mixed = new TableRates();
	mixed.set('a', {bytes: 100 * MiB, toastBytes: 20 * MiB, seconds: 0.8 + 4});
	mixed.set('b', {bytes: 100 * MiB, toastBytes: 80 * MiB, seconds: 0.2 + 16});
	close(mixed.seconds({bytes: 100 * MiB, toastBytes: 100 * MiB}), 20, 0.25);
});

test('TOAST that was not read yet is assumed to be slower than rows', () => {
	const rates = new TableRates();
	rates.set('rows', {bytes: 100 * MiB, toastBytes: 0, seconds: 2});
	close(rates.seconds({bytes: 100 * MiB, toastBytes: 100 * MiB}), 6);
});

test('a table counts as it is now, and each counts once', () => {
	const rates = new TableRates();
	rates.set('a', {bytes: 10 * MiB, toastBytes: 0, seconds: 5});
	rates.set('a', {bytes: 1000 * MiB, toastBytes: 0, seconds: 10});
	close(rates.seconds({bytes: 100 * MiB, toastBytes: 0}), 1);
	rates.set('b', {bytes: 100 * MiB, toastBytes: 0, seconds: 3});
	close(rates.seconds({bytes: 100 * MiB, toastBytes: 0}), 2);
});

test('a time is finite and not negative for any observations', () => {
	const amount = fc.integer({min: 0, max: 10_000});
	const observation = fc.record({main: amount, toast: amount, seconds: fc.double({min: 0, max: 1e4, noNaN: true})});
	fc.assert(
		fc.property(fc.array(observation, {maxLength: 8}), amount, amount, (seen, main, toast) => {
			const rates = new TableRates();
			for (const [index, one] of seen.entries()) {
				rates.set(String(index), {
					bytes: (one.main + one.toast) * MiB,
					toastBytes: one.toast * MiB,
					seconds: one.seconds,
				});
			}
			const said = rates.seconds({bytes: (main + toast) * MiB, toastBytes: toast * MiB}) ?? 0;
			assert.ok(Number.isFinite(said) && said >= 0, String(said));
		}),
	);
});
