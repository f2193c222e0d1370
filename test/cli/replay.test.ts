import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createReplay, parseRecording} from '../../source/cli/replay.js';
import {countJobs} from '../../source/core/state.js';
import {makeRecording, threeDatabases, toJsonLines} from '../helpers/recording.js';

const events = makeRecording({databases: threeDatabases});
const text = toJsonLines(events);

describe('a recorded run', () => {
	it('is read back as it was written', () => {
		assert.deepEqual(parseRecording(text, 'events.jsonl'), {
			events: JSON.parse(JSON.stringify(events)) as unknown,
			notes: [],
		});
	});

	it('may be cut in its last line, which is left out with a note', () => {
		for (const cut of [1, 5, 40]) {
			const {events: read, notes} = parseRecording(text.slice(0, -1 - cut), 'events.jsonl');
			assert.equal(read.length, events.length - 1);
			assert.match(notes[0] ?? '', /^events\.jsonl:\d+: the last line is cut and was left out$/);
		}
	});

	it('names the line that is no event', () => {
		assert.throws(
			() => parseRecording(`${text}nonsense\n${text}`, 'events.jsonl'),
			new RegExp(`events.jsonl:${events.length + 1}: not an event`),
		);
		assert.throws(() => parseRecording('{"type": 4}\n{}\n', 'x'), /x:1: not an event/);
		assert.throws(() => parseRecording('\n\n', 'x'), /there is no event/);
	});

	it('plays at its own pace, in its own time', async () => {
		const replay = createReplay({events}, 200);
		const started = performance.now();
		const seen: string[] = [];
		replay.handle.subscribe(event => seen.push(event.type));
		await replay.play(new AbortController().signal);
		const recorded = ((events.at(-1)?.time ?? 0) - (events[0]?.time ?? 0)) / 200;
		assert.ok(performance.now() - started >= recorded * 0.9);
		assert.equal(seen.length, events.length);
		assert.equal(replay.now(), events.at(-1)?.time);
		assert.deepEqual(countJobs(replay.handle.state()), {waiting: 0, running: 0, done: 3, failed: 1, cancelled: 0});
	});

	it('can be stopped, and cannot be steered', async () => {
		const replay = createReplay({events}, 1);
		const stop = new AbortController();
		const played = replay.play(stop.signal);
		stop.abort();
		await assert.rejects(played, {name: 'AbortError'});
		await assert.rejects(replay.handle.backup([]), /recorded run/);
	});
});
