/** Bytes of heap that frames leave behind. */
import {PassThrough, Writable} from 'node:stream';
import type {ReadStream, WriteStream} from 'node:tty';
import {createFakeEngine} from './fake-engine.js';

/** Draws `frames` frames with other numbers each, after as many to warm up as caches need; `--expose-gc` must be given. */
export async function heapGrowth(frames: number): Promise<number> {
	const {mountConsole} = await import('../../../source/ui/mount.js');
	const engine = createFakeEngine({manual: true});
	const names = Array.from({length: 20}, (_, index) => `database_${index}`);
	await engine.backup(names);
	const stop = new AbortController();
	let drawn = 0;
	const stdin = Object.assign(new PassThrough(), {
		isTTY: true,
		setRawMode: () => stdin,
		ref: () => stdin,
		unref: () => stdin,
	});
	const stdout = Object.assign(
		new Writable({
			decodeStrings: false,
			write(chunk: string, _encoding, done) {
				// What Ink begins each frame with.
				if (chunk.includes('?2026h')) drawn++;
				done();
			},
		}),
		{isTTY: true, columns: 100, rows: 40},
	);
	const ended = mountConsole({
		handle: engine,
		stdin: stdin as unknown as ReadStream,
		stdout: stdout as unknown as WriteStream,
		start: 'jobs',
		signal: stop.signal,
		options: {ascii: false, color: true, exitWhenDone: false, version: '3.0.0', maxFps: 1000},
	});
	const draw = async (count: number) => {
		const goal = drawn + count;
		for (let step = 0; drawn < goal; step++) {
			engine.bus.emit({
				type: 'progress',
				jobs: names.map((_, index) => ({
					job: `db-${index + 1}`,
					stages: {dump: {bytesIn: step * 7919 + index, bytesOut: step * 7919 + index}},
					fraction: (step % 1000) / 1000,
					rate: 1e6 + ((step * 104_729) % 1e8),
					eta: step % 7777,
				})),
			});
			// A key draws at once.
			stdin.write(step % 2 === 0 ? 'j' : 'k');
			await new Promise(resolve => setTimeout(resolve, 1));
		}
	};
	const used = () => {
		for (let round = 0; round < 3; round++) globalThis.gc?.();
		return process.memoryUsage().heapUsed;
	};
	await draw(Math.min(frames, 3000));
	const before = used();
	await draw(frames);
	const grown = used() - before;
	stop.abort();
	await ended;
	return grown;
}
