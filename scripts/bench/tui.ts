/**
 * `node scripts/bench/tui.ts`: measures the cost of the console. Frames are drawn by the real program in a real
 * pseudo-terminal; CPU is that of its process above a run without a screen, bytes are the terminal's input. Exit status
 * 1 when a limit is exceeded. `scripts/bench/tui.ts ten many list latency heap` measures only what is named.
 */
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import process from 'node:process';
import {setTimeout as delay} from 'node:timers/promises';
import {manyDatabases, type RecordedDatabase} from '../../test/helpers/recorded-databases.js';
import {makeRecording, toJsonLines} from '../../test/helpers/recording.js';
import {startPty} from '../../test/ui/helpers/pty.js';
import {bundle} from './measured.js';

const seconds = 12;
const MiB = 1024 * 1024;
const directory = mkdtempSync(join(tmpdir(), 'pg_back-bench-'));
const entry = await bundle(join(import.meta.dirname, '../../test/ui/helpers/console-entry.ts'), directory);
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], {encoding: 'utf8'}));

type Result = {readonly what: string; readonly value: number; readonly limit: number; readonly unit: string};
const results: Result[] = [];

function report(...found: readonly Result[]): void {
	for (const one of found) {
		const {what, value, limit, unit} = one;
		results.push(one);
		const verdict = value <= limit ? 'ok' : 'TOO MUCH';
		process.stdout.write(
			`${what.padEnd(48)} ${value.toFixed(1).padStart(7)} ${unit.padEnd(12)} limit ${String(limit).padStart(3)}  ${verdict}\n`,
		);
	}
}

const named = process.argv.slice(2);
const wants = (name: string) => named.length === 0 || named.includes(name);

/** CPU seconds that a process has used. */
function cpuOf(pid: number): number {
	const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
	return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

type Load = {readonly cpu: number; readonly bytes: number};

/** Share of a core (percent) and KiB a second while nothing but frames happens. */
async function load(args: readonly string[], columns: number, rows: number, keys = ''): Promise<Load> {
	await using pty = startPty([process.execPath, entry, ...args], {columns, rows});
	await pty.waitFor(text => text.includes('quit'), 'the screen', 60_000);
	if (keys !== '') pty.type(keys);
	await delay(3000);
	const before = {cpu: cpuOf(pty.pid), bytes: pty.bytes().length, at: performance.now()};
	await delay(seconds * 1000);
	const spent = (performance.now() - before.at) / 1000;
	return {
		cpu: ((cpuOf(pty.pid) - before.cpu) / spent) * 100,
		bytes: (pty.bytes().length - before.bytes) / spent / 1024,
	};
}

/** Returns the cost of the same events without a screen: reading and reducing them. */
async function silent(file: string): Promise<number> {
	const child = spawn(process.execPath, [entry, file, '--silent'], {stdio: 'ignore'});
	const {pid} = child;
	if (pid === undefined) throw new Error('the program did not start');
	await delay(3000);
	const before = {cpu: cpuOf(pid), at: performance.now()};
	await delay(seconds * 1000);
	const share = ((cpuOf(pid) - before.cpu) / ((performance.now() - before.at) / 1000)) * 100;
	child.kill('SIGKILL');
	return share;
}

/** Milliseconds from a key to the frame that shows it, while a busy run is drawn. */
async function latency(file: string): Promise<number> {
	await using pty = startPty([process.execPath, entry, file, '--speed', '1'], {columns: 100, rows: 30});
	await pty.waitFor(text => text.includes('quit'), 'the screen', 60_000);
	await delay(2000);
	const times: number[] = [];
	for (let index = 0; index < 150; index++) {
		const at = pty.lines().findIndex(line => line.startsWith('▸'));
		const started = performance.now();
		pty.type(index % 2 === 0 ? 'j' : 'k');
		await pty.waitFor(() => pty.lines().findIndex(line => line.startsWith('▸')) !== at, 'the cursor', 5000);
		times.push(performance.now() - started);
		await delay(110);
	}
	const sorted = times.toSorted((a, b) => a - b);
	const at = (share: number) => sorted[Math.floor(times.length * share)] ?? Infinity;
	process.stdout.write(`key to frame: median ${at(0.5).toFixed(0)} ms, 90 % within ${at(0.9).toFixed(0)} ms\n`);
	return at(0.99);
}

function tenJobs(): readonly RecordedDatabase[] {
	return Array.from({length: 10}, (_, index) => ({
		name: `database_${index}`,
		size: 40_000 * MiB,
		rate: (20 + index * 7) * MiB,
	}));
}

try {
	const ten = join(directory, 'ten.jsonl');
	const many = join(directory, 'many.jsonl');
	writeFileSync(ten, toJsonLines(makeRecording({databases: tenJobs(), concurrency: 10, until: 60})));
	const longer = manyDatabases(300).map(one => ({...one, size: one.size * 20, fails: undefined}));
	writeFileSync(many, toJsonLines(makeRecording({databases: longer, concurrency: 40, until: 60})));

	if (wants('ten')) {
		const {cpu, bytes} = await load([ten], 100, 30);
		report(
			{what: '10 running jobs, 100×30: CPU', value: cpu - (await silent(ten)), limit: 6, unit: '% of a core'},
			{what: '10 running jobs, 100×30: to the terminal', value: bytes, limit: 6, unit: 'KiB/s'},
		);
	}
	if (wants('many')) {
		const {cpu, bytes} = await load([many], 120, 45);
		report(
			{what: '300 jobs, 40 running, 120×45: CPU', value: cpu - (await silent(many)), limit: 16, unit: '% of a core'},
			{what: '300 jobs, 40 running, 120×45: to the terminal', value: bytes, limit: 16, unit: 'KiB/s'},
		);
	}
	if (wants('list')) {
		const {cpu, bytes} = await load(['--fake', '100000', '--files', 's3', '--restless'], 120, 45, 'g');
		report(
			{what: '100,000 names, 120×45: CPU', value: cpu, limit: 16, unit: '% of a core'},
			{what: '100,000 names, 120×45: to the terminal', value: bytes, limit: 16, unit: 'KiB/s'},
		);
	}
	if (wants('latency')) report({what: 'key to frame, p99', value: await latency(ten), limit: 60, unit: 'ms'});
	if (wants('heap')) {
		const said = execFileSync(process.execPath, ['--expose-gc', entry, '--fake', '1', '--frames', '10000'], {
			encoding: 'utf8',
		});
		report({
			what: 'heap after 10,000 frames more',
			value: Number(said.trim().split('\n').at(-1)) / MiB,
			limit: 5,
			unit: 'MiB',
		});
	}
} finally {
	rmSync(directory, {recursive: true, force: true});
}

if (results.some(({value, limit}) => value > limit)) process.exitCode = 1;
