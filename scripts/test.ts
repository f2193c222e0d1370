/**
 * Runs the tests: all with `npm test`, some with `npm test -- test/retention --grep purge`. Prints a line per file, the whole of
 * each failure, each skip with its reason, and one closing line `N passed, N failed, N skipped`.
 *
 * All tests come with a minute of processor time of fuzzing for each kind of text, beside them at the lowest priority; some come
 * with none. `--fuzz SECONDS` says otherwise.
 */
import {existsSync, globSync, statSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {join, relative, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {runFile, type FileResult, type Skip} from './testing/run-file.js';
import {runFuzz} from './testing/run-fuzz.js';

const {values, positionals} = parseArgs({
	allowPositionals: true,
	options: {
		grep: {type: 'string', multiple: true},
		jobs: {type: 'string', default: String(availableParallelism())},
		fuzz: {type: 'string'},
	},
});

function testFiles(path: string): string[] {
	if (!existsSync(path)) throw new Error(`no such file or directory: ${path}`);
	return statSync(path).isDirectory()
		? globSync(join(path, '**/*.test.{ts,tsx}')).map(file => resolve(file))
		: [resolve(path)];
}

function say(text: string): void {
	process.stdout.write(`${text}\n`);
}

function printFile({file, passed, failed, skips, failures, output, duration}: FileResult): void {
	const counts = [`${passed} passed`, failed > 0 && `${failed} failed`, skips.length > 0 && `${skips.length} skipped`];
	say(
		`${failed > 0 ? 'FAILED' : 'ok'}  ${relative('.', file)}: ${counts.filter(Boolean).join(', ')} (${(duration / 1000).toFixed(1)} s)`,
	);
	for (const failure of failures) say(indented(failure));
	if (failed > 0 && output.trim() !== '') say(indented(`output of the file:\n${output.trim()}`));
}

const indented = (text: string): string => text.replaceAll(/^/gm, '    ');

function printSkips(skips: readonly Skip[]): void {
	for (const [reason, tests] of Map.groupBy(skips, skip => skip.reason)) {
		say(`skipped: ${reason}`);
		for (const {test} of tests) say(indented(test));
	}
}

const patterns = values.grep?.map(pattern => new RegExp(pattern, 'i'));
const files = [...new Set((positionals.length === 0 ? ['test'] : positionals).flatMap(testFiles))].sort();
const waiting = [...files];
const results: FileResult[] = [];
const started = performance.now();

async function work(): Promise<void> {
	for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
		const result = await runFile(file, patterns);
		results.push(result);
		if (patterns === undefined || result.passed + result.failed > 0) printFile(result);
	}
}

async function fuzz(): Promise<void> {
	const seconds = Number(values.fuzz ?? (positionals.length === 0 && patterns === undefined ? '60' : '0'));
	if (!(seconds > 0)) return;
	const result = await runFuzz(seconds);
	results.push(result);
	printFile(result);
	if (result.failed === 0) say(indented(result.output));
}
await Promise.all([fuzz(), ...Array.from({length: Math.max(1, Number(values.jobs) || 1)}, work)]);

const sum = (key: 'passed' | 'failed'): number => results.reduce((total, result) => total + result[key], 0);
const skips = results.flatMap(result => result.skips);
printSkips(skips);
const empty = results.filter(
	result => patterns === undefined && result.passed + result.failed + result.skips.length === 0,
);
for (const {file} of empty) say(`no test in ${relative('.', file)}`);
if (sum('passed') + sum('failed') === 0) say('no test ran');
say(`${files.length} files in ${((performance.now() - started) / 1000).toFixed(1)} s`);
say(`${sum('passed')} passed, ${sum('failed')} failed, ${skips.length} skipped`);
process.exitCode = sum('failed') === 0 && empty.length === 0 && sum('passed') > 0 ? 0 : 1;
