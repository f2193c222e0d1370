import assert from 'node:assert/strict';
import {test} from 'node:test';
import fc from 'fast-check';
import {objectPattern} from '../../source/postgres/object-patterns.js';

function matches(pattern: string, ...names: readonly string[]): readonly boolean[] {
	const accepts = objectPattern(pattern);
	return names.map(name => accepts({schema: 'Up', name}));
}

test('a pattern is as for pg_dump -t', () => {
	assert.deepEqual(matches('orders', 'orders', 'Orders', 'orders2'), [true, false, false]);
	assert.deepEqual(matches('ORDERS*', 'orders', 'orders_2'), [true, true]);
	assert.deepEqual(matches('log_202[0-5]', 'log_2024', 'log_2026', 'log_202[0-5]'), [true, false, true]);
	assert.deepEqual(matches('(a|b)?', 'ax', 'cx'), [true, false]);
	assert.deepEqual(matches('"Up".t', 't', 'u'), [true, false]);
	assert.deepEqual(matches('up.t', 't'), [false]);
	assert.deepEqual(matches('a$', 'a$', 'a'), [true, false]);
});

test('a quoted name is literal', () => {
	fc.assert(
		fc.property(fc.string({unit: 'binary'}), fc.string({unit: 'binary'}), (schema, name) => {
			const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
			const accepts = objectPattern(`${quoted(schema)}.${quoted(name)}`);
			assert.ok(accepts({schema, name}));
			assert.ok(!accepts({schema, name: `${name}x`}));
			assert.ok(!accepts({schema: `x${schema}`, name}));
		}),
	);
});

test('a malformed pattern is refused', () => {
	for (const pattern of ['"a', 's."a', 'a(', '[z-a]', 'a|)', '\\'])
		assert.throws(() => objectPattern(pattern), {code: 'USAGE', message: /malformed pattern/}, pattern);
});
