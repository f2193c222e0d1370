/**
 * Generates the README's pictures of the console: `scripts/pictures.ts` draws docs/*.svg from a recorded run, `--check`
 * compares them with the existing ones and fails when they differ. They show the content of a terminal, read through an
 * emulator.
 */
import {mkdir, readFile, writeFile} from 'node:fs/promises';
import process from 'node:process';
import {fileURLToPath} from 'node:url';

process.env['TZ'] = 'UTC';
process.env['FORCE_COLOR'] = '1';
const {createReplay, parseRecording} = await import('../source/cli/replay.js');
const {createFakeEngine, fakeNow} = await import('../test/ui/helpers/fake-engine.js');
const {chars, keys, mount} = await import('../test/ui/helpers/mounted.js');
const {toSvg} = await import('../test/ui/helpers/svg.js');

type Picture = {readonly name: string; readonly draw: () => Promise<string>};

const recording = fileURLToPath(new URL('../testdata/events/twelve.jsonl', import.meta.url));

/** The run up to `seconds` after its start. */
async function replayUntil(seconds: number) {
	const {events} = parseRecording(await readFile(recording, 'utf8'), recording);
	const start = events[0]?.time ?? 0;
	const replay = createReplay({events: events.filter(({time}) => time - start <= seconds * 1000)}, Infinity);
	await replay.play(new AbortController().signal);
	return replay;
}

/** Marks that move with the ticks would depend on the speed of the machine. */
const still = {tickLength: 2 ** 30, columns: 100, rows: 26, readOnly: true} as const;

const pictures: readonly Picture[] = [
	{
		name: 'jobs',
		async draw() {
			const replay = await replayUntil(34);
			await using screen = mount(replay.handle, {...still, now: replay.now});
			await screen.waitFor(text => text.includes('dumping') && text.includes('analytics_2024'), 'the run');
			return toSvg(screen.terminal, 'pg_back: a run at work');
		},
	},
	{
		name: 'detail',
		async draw() {
			const replay = await replayUntil(34);
			await using screen = mount(replay.handle, {...still, now: replay.now});
			await screen.waitFor(text => text.includes('orders'), 'the run');
			await screen.type('/', ...chars('orders'), keys.enter, keys.enter);
			await screen.waitFor(text => text.includes('public.order_lines'), 'the tables');
			return toSvg(screen.terminal, 'pg_back: one database in detail');
		},
	},
	{
		name: 'files',
		async draw() {
			const engine = createFakeEngine({names: 1456});
			await using screen = mount(engine, {start: {files: 's3'}, now: () => fakeNow, columns: 100, rows: 26});
			await screen.waitFor(text => text.includes('1 456 files in 91 runs') && !text.includes('listing'), 'the listing');
			await screen.type('g');
			await screen.waitFor(text => text.includes('PARTIAL'), 'the runs');
			await screen.type(keys.enter, keys.down, keys.down, ' ', ' ');
			await screen.waitFor(text => text.includes('2 marked'), 'the marks');
			return toSvg(screen.terminal, 'pg_back: dumps at a remote');
		},
	},
];

const folder = new URL('../docs/', import.meta.url);
await mkdir(folder, {recursive: true});
for (const {name, draw} of pictures) {
	const path = new URL(`console-${name}.svg`, folder);
	const drawn = await draw();
	if (!process.argv.includes('--check')) {
		await writeFile(path, drawn);
		process.stdout.write(`docs/console-${name}.svg\n`);
	} else if ((await readFile(path, 'utf8').catch(() => '')) !== drawn) {
		process.stdout.write(`docs/console-${name}.svg is not what the console shows: run scripts/pictures.ts\n`);
		process.exitCode = 1;
	}
}
