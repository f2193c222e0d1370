import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {AttachedRun, EngineHandle, RunElsewhere} from '../../source/core/handle.js';
import {createAttachment} from '../../source/ui/attachment.js';

const elsewhere: RunElsewhere = {id: 'aaaaaa', directory: '/b', canAttach: true};

test('closing ends the attachment, also one that is still being made, and removes our listener', async () => {
	const listeners = new Set<unknown>();
	const {promise: attaching, resolve} = Promise.withResolvers<AttachedRun>();
	const own = {
		subscribe(listener: unknown) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		attach: () => attaching,
	} as unknown as EngineHandle;
	const attachment = createAttachment(own, () => undefined);
	assert.equal(listeners.size, 1);
	const pending = attachment.attach(elsewhere);
	attachment.close();
	assert.equal(listeners.size, 0);
	let closed = 0;
	resolve({
		subscribe: () => assert.fail('nothing shows this run any more'),
		close: () => closed++,
	} as unknown as AttachedRun);
	await pending;
	assert.equal(closed, 1);
	assert.equal(attachment.attached(), undefined);
});
