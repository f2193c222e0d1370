import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createFakeEngine, fakeNow} from './helpers/fake-engine.js';
import {keys, mount} from './helpers/mounted.js';

const now = () => fakeNow;

describe('a dialog that waits for the engine', () => {
	it('keeps its answer, whatever is typed meanwhile; closed with Esc it ends the work', async () => {
		const engine = createFakeEngine({names: 48});
		let answer = Promise.withResolvers<undefined>();
		const signals: AbortSignal[] = [];
		const slow = {
			...engine,
			async inspect(...[location, key, options]: Parameters<typeof engine.inspect>) {
				signals.push(options.signal);
				await answer.promise;
				return engine.inspect(location, key, options);
			},
		};
		await using screen = mount(slow, {start: {files: 's3'}, now});
		await screen.waitFor(text => text.includes('48 files in 3 runs'), 'the listing');
		await screen.type('i');
		await screen.waitFor(text => text.includes('looking into it'), 'the waiting dialog');
		await screen.type('j', keys.down);
		answer.resolve(undefined);
		await screen.waitFor(text => text.includes('public.order_lines'), 'what is in it');
		await screen.type(keys.escape);
		answer = Promise.withResolvers();
		await screen.type('i');
		await screen.waitFor(text => text.includes('looking into it'), 'the waiting dialog again');
		assert.equal(signals.at(-1)?.aborted, false);
		await screen.type(keys.escape);
		await screen.waitFor(text => !text.includes('looking into it'), 'the list');
		assert.equal(signals.at(-1)?.aborted, true);
		answer.resolve(undefined);
	});

	it('does so where a backup is planned, too', async () => {
		const engine = createFakeEngine({databases: 3});
		const answer = Promise.withResolvers<undefined>();
		const slow = {
			...engine,
			async preview(chosen: readonly string[]) {
				await answer.promise;
				return engine.preview(chosen);
			},
		};
		await using screen = mount(slow, {now});
		await screen.type('b');
		await screen.waitFor(text => text.includes('reading the databases'), 'the waiting dialog');
		await screen.type('a', 'A', ' ', 'j');
		answer.resolve(undefined);
		await screen.waitFor(text => text.includes('3 of 3 databases'), 'the databases');
	});
});
