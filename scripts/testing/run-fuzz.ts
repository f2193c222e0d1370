/** Runs scripts/fuzz.ts in a separate process, as one test for each kind of text. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import type {FuzzResult} from '../fuzzing/fuzz-kind.js';
import type {FileResult} from './run-file.js';

const script = fileURLToPath(new URL('../fuzz.ts', import.meta.url));

/** `seconds` of processor time for each kind. Never rejects for a fault; `output` tells how much was tried. */
export async function runFuzz(seconds: number): Promise<FileResult> {
	const started = performance.now();
	const child = spawn(process.execPath, ['--import', 'tsx', script, String(seconds), '--json'], {
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	let text = '';
	child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
	const [status] = (await once(child, 'close')) as [number | null];
	const results = text
		.split('\n')
		.filter(line => line !== '')
		.map(line => JSON.parse(line) as FuzzResult);
	const failures = results.flatMap(({kind, seed, fault}) =>
		fault ? [`fuzz › ${kind}, seed ${seed}: ${JSON.stringify(fault.text)}\n${fault.reason}`] : [],
	);
	// Another status than that of its results means that it did not get to its end.
	if (status !== (failures.length > 0 ? 1 : 0) || results.length === 0)
		failures.push(`scripts/fuzz.ts ended with status ${String(status)} after ${results.length} kinds`);
	return {
		file: script,
		passed: results.filter(({fault}) => fault === undefined).length,
		failed: failures.length,
		skips: [],
		failures,
		durations: [],
		output: results.map(({kind, count, seed}) => `${kind}: ${count} texts (seed ${seed})`).join('\n'),
		duration: performance.now() - started,
	};
}
