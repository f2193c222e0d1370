/** What each key does on each screen. */
import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {actionFor, type Binding, keymap} from '../../source/ui/keymap.js';

describe('keymap', () => {
	const bindings: readonly Binding[] = keymap;

	it('gives each key one meaning in each scope', () => {
		for (const scope of new Set(bindings.map(one => one.scope))) {
			const all = bindings.filter(one => one.scope === scope).flatMap(one => one.keys);
			assert.equal(new Set(all).size, all.length, `${scope}: ${all.join(' ')}`);
		}
	});

	it('has no flow control and no job control, and asks before harm', () => {
		for (const key of bindings.flatMap(one => one.keys))
			assert.ok(!['ctrl-s', 'ctrl-q', 'ctrl-z', 'ctrl-a', 'ctrl-b'].includes(key));
		for (const action of ['cancelJob', 'remove', 'restore'])
			assert.equal(bindings.find(one => one.action === action)?.asks, true);
		assert.equal(actionFor('escape', 'jobs'), 'escape');
	});

	it('has keys of its own on each screen', () => {
		assert.equal(actionFor('d', 'files'), 'download');
		assert.equal(actionFor('d', 'jobs'), undefined);
		assert.equal(actionFor('t', 'logs'), 'toggleTimes');
	});
});
