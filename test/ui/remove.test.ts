import assert from 'node:assert/strict';
import {test} from 'node:test';
import type {ListedFile} from '../../source/core/handle.js';
import {createFakeEngine, fakeNow} from './helpers/fake-engine.js';
import {keys, mount} from './helpers/mounted.js';

const remote = {start: {files: 's3'}, now: () => fakeNow} as const;

test('deleting a dump keeps a manifest that has not been read, because its other dumps are not known', async () => {
	const dump = (subject: string, timeText: string, suffix = 'dump'): ListedFile => ({
		key: `${subject}_${timeText}.${suffix}`,
		size: 1000,
		name: {subject, timeText, time: Date.parse(timeText), suffix, encrypted: false},
	});
	const [start, later] = ['2026-11-20T04:00:00Z', '2026-11-20T04:00:07Z'] as const;
	const listed = [dump('app', start), dump('pg_back', start, 'manifest.json'), dump('zoo', later)];
	const engine = createFakeEngine({listed});
	const reading = {
		...engine,
		async *runs(_location: string, {signal}: {readonly signal: AbortSignal}) {
			await new Promise(resolve => signal.addEventListener('abort', resolve));
			yield* [];
		},
	};
	await using screen = mount(reading, remote);
	await screen.waitFor(text => text.includes('zoo'), 'the listing');
	await screen.type(keys.down, ' ', 'D');
	await screen.waitFor(text => text.includes(`app_${start}.dump`), 'the question');
	assert.match(screen.lines().join('\n'), /Type 1 to delete/);
	await screen.type(keys.escape, 'q');
	await screen.result;
});
