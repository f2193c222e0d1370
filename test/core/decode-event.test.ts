/** Events and states from another process: what was recorded is read as it was, damage is refused. */
import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {test} from 'node:test';
import {decodeEvent} from '../../source/core/decode-event.js';
import type {RunEvent} from '../../source/core/events.js';
import type {RunState} from '../../source/core/run-state.js';
import {decodeSnapshot, takeSnapshot} from '../../source/core/snapshot.js';
import {emptyState, reduce} from '../../source/core/state.js';
import {DecodeError} from '../../source/lib/decode.js';

const directory = join(import.meta.dirname, '../../testdata/events');
const recordings = readdirSync(directory).filter(name => name.endsWith('.jsonl'));

const eventsOf = (name: string): RunEvent[] =>
	readFileSync(join(directory, name), 'utf8')
		.split('\n')
		.filter(line => line !== '')
		.map(line => JSON.parse(line) as RunEvent);

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

for (const name of recordings) {
	test(`${name}: every event and the states that they lead to survive the way through JSON`, () => {
		let state: RunState = emptyState;
		let checks = 0;
		for (const [index, event] of eventsOf(name).entries()) {
			assert.deepEqual(decodeEvent(event), event);
			state = reduce(state, event);
			if (index % 200 !== 0) continue;
			checks++;
			const snapshot = plain(takeSnapshot(state));
			assert.deepEqual(plain(takeSnapshot(decodeSnapshot(snapshot))), snapshot);
		}
		assert.ok(checks > 0);
	});
}

test('any part of an event that is replaced by nonsense is refused, or is not read', () => {
	const [name = ''] = recordings;
	const seen = new Set<string>();
	for (const event of eventsOf(name)) {
		if (seen.has(event.type)) continue;
		seen.add(event.type);
		for (const key of Object.keys(event)) {
			for (const nonsense of [[[]], {x: 1}, -1.5, '\u001B[2J', true]) {
				let read: unknown;
				try {
					read = decodeEvent({...event, [key]: nonsense});
				} catch (error) {
					assert.ok(error instanceof DecodeError, String(error));
					continue;
				}
				if (read !== undefined) assert.doesNotThrow(() => reduce(emptyState, read as RunEvent));
			}
		}
	}
	assert.ok(seen.size > 8);
});

test('an event of a newer version is passed over; what is no event is refused', () => {
	assert.equal(decodeEvent({type: 'run.dreamed', time: 1}), undefined);
	assert.equal(decodeEvent({type: 'toString', time: 1}), undefined);
	for (const bad of [null, 1, 'x', [], {}, {type: 'log'}, {type: 'log', time: 1, level: 'loud', text: 'x'}])
		assert.throws(() => decodeEvent(bad), DecodeError);
	assert.throws(() => decodeSnapshot({...takeSnapshot(emptyState), jobs: [{id: 'a'}]}), DecodeError);
});
