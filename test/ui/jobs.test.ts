import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {createReplay} from '../../source/cli/replay.js';
import {PgBackError} from '../../source/core/errors.js';
import {manyDatabases, threeDatabases, twelveDatabases} from '../helpers/recorded-databases.js';
import {makeRecording} from '../helpers/recording.js';
import {createFakeEngine, fakeNow} from './helpers/fake-engine.js';
import {chars, keys, mount} from './helpers/mounted.js';

function replayOf(options: Parameters<typeof makeRecording>[0]) {
	return createReplay({events: makeRecording(options)}, Infinity);
}

describe('Jobs', () => {
	it('shows the whole of a finished run, failures before what is done', async () => {
		const replay = replayOf({databases: threeDatabases});
		await replay.play(new AbortController().signal);
		await using screen = mount(replay.handle, {now: replay.now, readOnly: true});
		await screen.waitFor(text => text.includes('permission denied for table invoices'), 'the failure');
		const lines = screen.lines();
		assert.match(
			lines[0] ?? '',
			/^.1 Jobs. 2 Files  3 Logs +.*db1\.example:5432 · PostgreSQL 15\.18 primary +00:00:\d\d/,
		);
		assert.match(lines[1] ?? '', /✗ failed +1 failed, the others are done.*exit status 1/);
		assert.match(lines[2] ?? '', /✗ 1 failed +✓ 3 done/);
		assert.ok(lines.findIndex(line => line.includes('billing')) < lines.findIndex(line => line.includes('orders')));
		await screen.type('q');
		assert.deepEqual(await screen.result, {reason: 'quit'});
		assert.equal(screen.isAlternate(), false);
		assert.equal(screen.isCursorHidden(), false);
		assert.equal(screen.isRaw(), false);
		assert.match(screen.text(), /billing: permission denied for table invoices/);
	});

	it('attaches to a run that began before it, and leaves without touching it', async () => {
		const engine = createFakeEngine({manual: true});
		await engine.backup(['early']);
		await using screen = mount(engine);
		await screen.waitFor(text => text.includes('early') && text.includes('1 dumping'), 'the running job');
		await screen.type('q');
		await screen.waitFor(text => text.includes('let it finish'), 'the question');
		await screen.type('f');
		assert.equal((await screen.result).reason, 'detached');
		assert.equal(
			engine.calls.some(([name]) => name === 'cancel'),
			false,
		);
		assert.equal(engine.state().jobs.get('db-1')?.status, 'running');
	});

	it('cancels one job after a question, and runs it again', async () => {
		const engine = createFakeEngine({manual: true});
		await engine.backup(['one', 'two']);
		await using screen = mount(engine);
		await screen.waitFor(text => text.includes('2 dumping'), 'two running jobs');
		await screen.type('x');
		await screen.waitFor(text => text.includes('Cancel one?'), 'the question');
		await screen.type(keys.escape);
		assert.equal(
			engine.calls.some(([name]) => name === 'cancel'),
			false,
		);
		await screen.type('x', 'y');
		await screen.waitFor(text => text.includes('1 cancelled'), 'the cancelled job');
		assert.deepEqual(engine.calls.at(-1), ['cancel', 'db-1']);
		await screen.type('k', 'r');
		await screen.waitFor(text => text.includes('two has not failed'), 'a refusal for the job that runs');
		await screen.type('j', 'r');
		await screen.waitFor(text => text.includes('2 dumping'), 'both running again');
		engine.finish();
		await screen.waitFor(text => text.includes('2 done'), 'both done');
		await screen.type('q');
		await screen.result;
	});

	it('cancels everything on a second Ctrl-C', async () => {
		const engine = createFakeEngine({manual: true});
		await engine.backup(['one', 'two']);
		await using screen = mount(engine);
		await screen.waitFor(text => text.includes('2 dumping'), 'two running jobs');
		await screen.type(keys.ctrlC);
		await screen.waitFor(text => text.includes('cancel everything'), 'the question');
		assert.equal(
			engine.calls.some(([name]) => name === 'cancel'),
			false,
		);
		await screen.type(keys.ctrlC);
		assert.equal((await screen.result).reason, 'cancelled');
		assert.deepEqual(engine.calls.at(-1), ['cancel', undefined]);
	});

	it('refuses Ctrl-Z while work runs, and says why', async () => {
		const engine = createFakeEngine({manual: true});
		await engine.backup(['one']);
		await using screen = mount(engine);
		await screen.waitFor(text => text.includes('1 dumping'), 'a running job');
		await screen.type(keys.ctrlZ);
		await screen.waitFor(text => text.includes('Ctrl-Z is refused'), 'the refusal');
		engine.finish();
		await screen.type('q');
		await screen.result;
	});

	it('windows 300 databases, and finds the next failure', async () => {
		const replay = replayOf({databases: manyDatabases(300), concurrency: 10, until: 60});
		await replay.play(new AbortController().signal);
		await using screen = mount(replay.handle, {now: replay.now, readOnly: true, rows: 24, columns: 80});
		await screen.waitFor(text => /\d+ dumping/.test(text) && /waiting, .* done below/.test(text), 'the window');
		await screen.type('G');
		await screen.waitFor(text => /▸ tenant_\d+ .* done/.test(text), 'the last job');
		await screen.type('e');
		await screen.waitFor(text => /▸ tenant_0017 .*permission/.test(text), 'the failure');
		await screen.type('/', ...chars('tenant_029'));
		await screen.waitFor(
			text => text.includes('tenant_0299') && !text.includes('tenant_0017'),
			'what the filter leaves',
		);
		await screen.type(keys.escape);
		await screen.waitFor(text => text.includes('tenant_0017'), 'all again');
		await screen.type('q');
		await screen.result;
	});

	it('is read at the first visit of a console that opens on other dumps', async () => {
		const engine = createFakeEngine({databases: 4, names: 5});
		const read: string[] = [];
		const handle = {
			...engine,
			preview: async (...args: Parameters<typeof engine.preview>) => {
				read.push('plan');
				return engine.preview(...args);
			},
			ages: async (...args: Parameters<typeof engine.ages>) => {
				read.push(args[0]);
				return engine.ages(...args);
			},
		};
		await using screen = mount(handle, {start: {files: 's3'}, now: () => fakeNow});
		await screen.waitFor(text => text.includes('5 files'), 'the listing');
		assert.deepEqual(read, []);
		await screen.type('1');
		await screen.waitFor(text => text.includes('shop_2') && text.includes('4 databases'), 'the databases');
		assert.deepEqual(read, ['plan', ...engine.locations().map(({id}) => id)]);
		await screen.type('q');
		await screen.result;
	});

	it('is not read on while another screen is shown, and again on return', async () => {
		const engine = createFakeEngine({databases: 4, names: 5});
		const signals: AbortSignal[] = [];
		const handle = {
			...engine,
			ages: async (location: string, options: {readonly signal: AbortSignal}) => {
				const isFirst = signals.push(options.signal) <= engine.locations().length;
				if (!isFirst) return engine.ages(location, options);
				return new Promise<never>((_, reject) => {
					options.signal.addEventListener('abort', () => reject(options.signal.reason as Error));
				});
			},
		};
		await using screen = mount(handle, {now: () => fakeNow});
		await screen.waitFor(text => text.includes('4 databases') && text.includes('reading'), 'the plan');
		await screen.type('2');
		await screen.waitFor(text => text.includes('files'), 'Files');
		assert.deepEqual(
			signals.map(signal => signal.aborted),
			engine.locations().map(() => true),
		);
		await screen.type('1');
		await screen.waitFor(text => /shop_0 +8h old/.test(text), 'the ages');
		assert.equal(signals.length, 2 * engine.locations().length, 'the remote ones too');
		await screen.type('q');
		await screen.result;
	});

	it('says in whole why the server cannot be asked, and asks again', async () => {
		const engine = createFakeEngine({databases: 4});
		let isDown = true;
		const message = `connection to server at "db1.example" (192.0.2.1), port 5432 failed: ${'Connection refused '.repeat(6)}END`;
		const handle = {
			...engine,
			preview: async (...args: Parameters<typeof engine.preview>) => {
				if (isDown) throw new PgBackError('CONNECTION', message);
				return engine.preview(...args);
			},
		};
		await using screen = mount(handle, {columns: 80, rows: 30, now: () => fakeNow});
		await screen.waitFor(text => text.includes('connection to server') && text.includes('END'), 'the whole reason');
		isDown = false;
		await screen.type(keys.f5);
		await screen.waitFor(text => text.includes('4 databases') && !text.includes('refused'), 'the plan after F5');
		isDown = true;
		await screen.type(keys.f5);
		await screen.waitFor(text => text.includes('refused'), 'the reason again');
		isDown = false;
		await screen.type('3', '1');
		await screen.waitFor(text => text.includes('4 databases') && !text.includes('refused'), 'the plan on return');
		await screen.type('q');
		await screen.result;
	});

	it('lists databases by the age of their newest good dump, the oldest first', async () => {
		const engine = createFakeEngine({databases: 4});
		await using screen = mount(engine, {now: () => fakeNow});
		await screen.waitFor(text => text.includes('shop_2'), 'the databases');
		assert.match(
			screen.text(),
			/shop_2 +no good dump +never proven[^]*shop_1 +9d old +restored 10d ago[^]*shop_0 +8h old +proven 3d ago/,
		);
		await screen.type('q');
		await screen.result;
	});

	it('starts a backup of the databases that were chosen, after showing the plan', async () => {
		const engine = createFakeEngine({databases: 4});
		await using screen = mount(engine);
		await screen.waitFor(
			text => text.includes('A backup would dump') && text.includes('4 databases') && text.includes('complete'),
			'what would run',
		);
		await screen.type('b');
		await screen.waitFor(text => text.includes('4 of 4 databases') && text.includes('older than 14 days'), 'the plan');
		await screen.type('A', keys.enter);
		await screen.waitFor(text => text.includes('no database is marked'), 'the refusal');
		await screen.type(keys.down, ' ', ' ');
		await screen.waitFor(text => text.includes('2 of 4 databases'), 'two marked');
		await screen.type(keys.enter);
		await screen.waitFor(text => text.includes('2 done'), 'both done');
		assert.deepEqual(engine.calls.at(-1), ['backup', ['shop_1', 'shop_2']]);
		await screen.type('q');
		await screen.result;
	});

	it('shows control characters of names, and keeps columns under each other', async () => {
		const replay = replayOf({databases: twelveDatabases, until: 20});
		await replay.play(new AbortController().signal);
		await using screen = mount(replay.handle, {now: replay.now, readOnly: true});
		await screen.waitFor(text => text.includes(String.raw`app\x1b[31m\x0ared`), 'the name made visible');
		const rows = screen.lines().filter(line => line.includes('dump'));
		const {terminal} = screen;
		const columns = new Set<number>();
		for (let row = 5; row < 18; row++) {
			const line = terminal.buffer.active.getLine(row);
			for (let cell = 0; line && cell < terminal.cols - 4; cell++) {
				if (['d', 'u', 'm', 'p'].every((letter, index) => line.getCell(cell + index)?.getChars() === letter)) {
					columns.add(cell);
					break;
				}
			}
		}
		assert.equal(columns.size, 1, `stages start in several columns: ${rows.join('\n')}`);
		await screen.type('q');
		await screen.result;
	});

	it('leaves for the plain log and returns, without a line twice', async () => {
		const engine = createFakeEngine({manual: true});
		await engine.backup(['one']);
		await using screen = mount(engine);
		await screen.waitFor(text => text.includes('1 dumping'), 'a running job');
		engine.bus.emit({type: 'log', level: 'info', text: 'said before'});
		await screen.type('L');
		await screen.waitFor(text => text.includes('-- the plain log') && text.includes('said before'), 'the plain log');
		assert.equal(screen.isAlternate(), false);
		engine.bus.emit({type: 'log', level: 'info', text: 'said meanwhile'});
		await screen.waitFor(text => text.includes('said meanwhile'), 'a live line');
		await screen.type('L');
		await screen.waitFor(() => screen.isAlternate(), 'the screen');
		await screen.type('L');
		await screen.waitFor(
			text => !screen.isAlternate() && text.split('-- the plain log').length === 3,
			'the plain log again',
		);
		assert.equal(screen.text().split('said before').length, 2);
		assert.equal(screen.releases(), 0, 'a Ctrl-C between the two is a key, no signal that cancels the work');
		await screen.type('q');
		assert.equal((await screen.result).reason, 'detached');
		assert.equal(screen.isRaw(), false);
	});

	it('leaves by itself when the run ends, if that was asked for', async () => {
		const replay = createReplay({events: makeRecording({databases: threeDatabases})}, 400);
		await using screen = mount(replay.handle, {now: replay.now, exitWhenDone: true, readOnly: true});
		await replay.play(new AbortController().signal);
		assert.equal((await screen.result).reason, 'finished');
		await screen.settled();
		assert.match(screen.text(), /3 done, 1 failed, .* in /);
	});
});
