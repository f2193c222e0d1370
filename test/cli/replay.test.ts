import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {describe, it} from 'node:test';
import {createReplay, parseRecording, readRecording} from '../../source/cli/replay.js';
import {countJobs} from '../../source/core/jobs.js';
import {threeDatabases} from '../helpers/recorded-databases.js';
import {makeRecording, toJsonLines} from '../helpers/recording.js';

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
			assert.match(notes[0] ?? '', /^events\.jsonl:\d+: the last line is truncated and was skipped$/);
		}
	});

	it('names the line that is no event', () => {
		assert.throws(
			() => parseRecording(`${text}nonsense\n${text}`, 'events.jsonl'),
			new RegExp(`events.jsonl:${events.length + 1}: not an event`),
		);
		assert.throws(() => parseRecording('{"type": 4}\n{}\n', 'x'), /x:1: not an event/);
		assert.throws(() => parseRecording('\n\n', 'x'), /contains no events/);
		assert.throws(() => parseRecording('{"type":"log","time":1e300,"level":"info","text":""}\n{}', 'x'), /x:1: .*time/);
		assert.throws(() => parseRecording('{"type":"run.planned","time":1,"jobs":{}}\n', 'x'), /x:1: not an event/);
		assert.deepEqual(parseRecording('{"type":"of.2040","time":1}\n', 'x').events, []);
	});

	it('is never read as a whole: a file, line by line, with an error where it is damaged', async () => {
		const path = join(mkdtempSync(join(tmpdir(), 'pg_back-replay-')), 'run.jsonl');
		writeFileSync(path, `${text}nonsense\n${text}`);
		const replay = createReplay(await readRecording(path), Infinity);
		await assert.rejects(replay.play(new AbortController().signal), {
			code: 'USAGE',
			message: new RegExp(`run\\.jsonl:${events.length + 1}: not an event of a recorded run: invalid JSON`),
		});
		writeFileSync(path, 'x'.repeat(100));
		await assert.rejects(readRecording(path), /:1: not an event/);
		rmSync(dirname(path), {recursive: true});
		await assert.rejects(readRecording(path), {code: 'FILE_SYSTEM'});
	});

	it('that was cut off leaves nothing running, and is reported as cut off', async () => {
		const cut = events.slice(0, Math.floor(events.length / 2));
		const replay = createReplay({events: cut}, Infinity);
		await replay.play(new AbortController().signal);
		assert.ok(countJobs(replay.handle.state()).running > 0);
		assert.equal(replay.endOpenRun(), true);
		assert.equal(replay.endOpenRun(), false);
		const {finished, log} = replay.handle.state();
		const {running, waiting, cancelled} = countJobs(replay.handle.state());
		assert.deepEqual([running, waiting, cancelled > 0], [0, 0, true]);
		assert.equal(finished?.outcome, 'cancelled');
		assert.match(log.at(-1)?.text ?? '', /the recording ends before the run did/);
	});

	it('shows no negative rates and no share above all', () => {
		const [event] = parseRecording(
			'{"type":"progress","time":1,"jobs":[{"job":"a","stages":{"dump":{"bytesIn":-1,"bytesOut":-2}},"rate":-5,"fraction":7}]}\n',
			'x',
		).events;
		assert.ok(event?.type === 'progress');
		assert.deepEqual(event.jobs, [{job: 'a', stages: {dump: {bytesIn: 0, bytesOut: 0}}, rate: 0, fraction: 1}]);
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
