/** Subscriptions in the form that an older server knows. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {adaptSubscription} from '../../source/postgres/subscription-options.js';

const create = (options: string) =>
	`CREATE SUBSCRIPTION "a, WITH (" CONNECTION 'x= WITH ( failover = true' PUBLICATION p, q WITH (connect = false, slot_name = 's, binary = true'${options});\n\n\n`;

test('what makes no difference is left out, and nothing else is changed', () => {
	const adapted = adaptSubscription(create(', streaming = off, run_as_owner = true, origin = any'), 130_000);
	assert.deepEqual(adapted, {
		name: 'a, WITH (',
		statement: create('').trimEnd().slice(0, -1),
		without: ['streaming', 'run_as_owner', 'origin'],
		lacks: [],
	});
	const parallel = adaptSubscription(create(', streaming = parallel, password_required = false'), 150_000);
	assert.equal(parallel?.statement, create(', streaming = on').trimEnd().slice(0, -1));
});

test('what makes a difference is refused', () => {
	const options = ', two_phase = on, disable_on_error = true, origin = none, failover = true';
	assert.deepEqual(adaptSubscription(create(options), 130_000)?.lacks, [
		...['two_phase = on', 'disable_on_error = true', 'origin = none', 'failover = true'],
	]);
	assert.deepEqual(adaptSubscription(create(options), 160_000)?.lacks, ['failover = true']);
});

test('a server that knows all options, and other statements', () => {
	assert.equal(adaptSubscription(create(', streaming = parallel, run_as_owner = true'), 160_000), undefined);
	assert.equal(adaptSubscription(create(', failover = true'), 170_000), undefined);
	assert.equal(adaptSubscription('CREATE TABLE t (i int) WITH (run_as_owner = true)', 130_000), undefined);
	assert.equal(adaptSubscription("CREATE SUBSCRIPTION s CONNECTION 'unterminated", 130_000), undefined);
});
