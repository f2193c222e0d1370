/** Asserts what a sweep of `npm run test:faults` found: nothing. */
import assert from 'node:assert/strict';
import type {TestContext} from 'node:test';
import {type Figure, print} from '../../scripts/faults/sweep.js';

/** Always this one: whether a change is good is no matter of the day. */
export const seed = 20_779;

export function report(context: TestContext, ...figures: readonly Figure[]): void {
	for (const figure of figures) {
		context.diagnostic(print(figure));
		assert.ok(figure.total > 0);
		assert.deepEqual(figure.violations, [], `${figure.goal}, seed ${seed}`);
	}
}
