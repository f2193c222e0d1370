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
			async contentsOf(...[location, key, options]: Parameters<typeof engine.contentsOf>) {
				signals.push(options.signal);
				await answer.promise;
				return engine.contentsOf(location, key, options);
			},
		};
		await using screen = mount(slow, {start: {files: 's3'}, now});
		await screen.waitFor(text => text.includes('48 files in 3 runs'), 'the listing');
		await screen.type('i');
		await screen.waitFor(text => text.includes('looking into it'), 'the waiting dialog');
		await screen.type('j', keys.down);
		answer.resolve(undefined);
		await screen.waitFor(text => text.includes('order_lines'), 'what is in it');
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
		await screen.waitFor(text => text.includes('keys count when they are shown'), 'the refusal of keys');
		await screen.type(keys.enter);
		answer.resolve(undefined);
		await screen.waitFor(text => text.includes('3 of 3 databases'), 'the databases');
		// The first Enter may have been meant for something else.
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('enter again: back up all 3 databases'), 'the question');
		assert.deepEqual(engine.calls, []);
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('3 done'), 'the backup');
		assert.deepEqual(engine.calls.at(-1), ['backup', []]);
	});

	it('has a filter where databases are chosen, and copies the command line that does the same', async () => {
		const engine = createFakeEngine({databases: 12});
		await using screen = mount(engine, {now});
		await screen.type('b');
		await screen.waitFor(text => text.includes('12 of 12 databases'), 'the databases');
		await screen.type('A', '/', 'p', '_', '1', '1');
		await screen.waitFor(text => text.includes('shop_11') && !text.includes('shop_10'), 'what the filter shows');
		await screen.type(keys.enter, ' ');
		await screen.waitFor(text => text.includes('1 of 12 databases') && /\$ pg_back .*shop_11/.test(text), 'the choice');
		await screen.type('Y');
		await screen.waitFor(() => screen.bytes().includes(']52;c;'), 'the copy');
		const copied = /\u001B\]52;c;([^\u0007]*)\u0007/.exec(screen.bytes())?.[1] ?? '';
		assert.equal(Buffer.from(copied, 'base64').toString(), 'pg_back --backup shop_11');
		await screen.type(keys.escape);
		await screen.waitFor(text => text.includes('shop_10') && text.includes('Back up'), 'all of them');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('1 done'), 'the backup');
		assert.deepEqual(engine.calls.at(-1), ['backup', ['shop_11']]);
	});
});
