/**
 * Runs the tests: all with `npm test`, some with `npm test -- test/retention --grep purge`. Prints a line per file,
 * each failure completely, each skip with its reason, and a final line `N passed, N failed, N skipped`.
 *
 * When all tests ran, the files that failed run again, alone; those that pass twice then are reported as unstable.
 *
 * All tests include 15 seconds of processor time of fuzzing for each kind of text, in parallel at the lowest priority;
 * a selection includes none. `--fuzz SECONDS` overrides this, `npm run fuzz` takes a minute for each kind. All tests also print the coverage of the source, which has
 * a minimum; `--coverage` enables it for a selection.
 */
import {existsSync, globSync, statSync} from 'node:fs';
import {availableParallelism, constants} from 'node:os';
import {join, relative, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {shareDataDirectories} from '../test/helpers/data-directory.js';
import {collectCoverage} from './testing/coverage.js';
import {copyProgram} from './testing/program-copy.js';
import {runFailedAgain, type Unstable} from './testing/run-again.js';
import {type FileResult, runFile, type Skip} from './testing/run-file.js';
import {runFuzz} from './testing/run-fuzz.js';

const {values, positionals} = parseArgs({
	allowPositionals: true,
	options: {
		grep: {type: 'string', multiple: true},
		// Half of the time of most files is spent waiting: for retries, timeouts and servers.
		jobs: {type: 'string', default: String(2 * availableParallelism())},
		fuzz: {type: 'string'},
		coverage: {type: 'boolean', default: false},
	},
});

function testFiles(path: string): string[] {
	if (!existsSync(path)) {
		process.stderr.write(`npm test: no such file or directory: ${path}\n`);
		process.exit(2);
	}
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

/** Prints every failure once more, for readers who see only the end of the output. */
function printFailures(word: 'failed' | 'unstable', results: readonly Unstable[]): void {
	for (const {file, failures} of results) {
		for (const failure of failures) {
			const [name, ...error] = failure.split('\n');
			say(`${word}: ${relative('.', file)}: ${name}`);
			for (const line of error.slice(0, 40)) say(indented(line));
		}
	}
}

/** Shows where the time went. */
function printSlowest(): void {
	const all = results.flatMap(({file, durations}) => durations.map(one => ({...one, file})));
	for (const {file, test, duration} of all.toSorted((a, b) => b.duration - a.duration).slice(0, 15))
		say(`slowest: ${(duration / 1000).toFixed(1)} s  ${relative('.', file)}: ${test}`);
}

const patterns = values.grep?.map(pattern => new RegExp(pattern, 'i'));
const files = [...new Set((positionals.length === 0 ? ['test'] : positionals).flatMap(testFiles))].sort();
const isWhole = positionals.length === 0 && patterns === undefined;
const coverage = isWhole || values.coverage ? collectCoverage() : undefined;
const waiting = [...files];
const results: FileResult[] = [];
const started = performance.now();
// What the tests share is removed when this process exits, which a signal alone does not cause.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
	process.once(signal, () => process.exit(128 + constants.signals[signal]));
// The usual one: ordinary users of Debian 13 have 002, and we warn of files that a group can write.
process.umask(0o022);
shareDataDirectories();
await copyProgram();

async function work(): Promise<void> {
	for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
		const result = await runFile(file, patterns);
		results.push(result);
		if (patterns === undefined || result.passed + result.failed > 0) printFile(result);
	}
}

async function fuzz(): Promise<void> {
	const seconds = Number(values.fuzz ?? (isWhole ? '15' : '0'));
	if (!(seconds > 0)) return;
	const result = await runFuzz(seconds);
	results.push(result);
	printFile(result);
	if (result.failed === 0) say(indented(result.output));
}
await Promise.all([fuzz(), ...Array.from({length: Math.max(1, Number(values.jobs) || 1)}, work)]);

const again = isWhole ? await runFailedAgain(results, files) : [];
const sum = (key: 'passed' | 'failed'): number => results.reduce((total, result) => total + result[key], 0);
const skips = results.flatMap(result => result.skips);
printSkips(skips);
const empty = results.filter(
	result => patterns === undefined && result.passed + result.failed + result.skips.length === 0,
);
for (const {file} of empty) say(`no test in ${relative('.', file)}`);
if (sum('passed') + sum('failed') === 0) say('no test ran');
const isCovered = (await coverage?.report()) ?? true;
if (!isCovered) say('the coverage is below its floor');
if (isWhole) printSlowest();
printFailures('unstable', again);
printFailures('failed', results);
say(`${files.length} files in ${((performance.now() - started) / 1000).toFixed(1)} s`);
if (again.length > 0) say(`${again.length} unstable: failed beside other tests, passed twice alone`);
say(`${sum('passed')} passed, ${sum('failed')} failed, ${skips.length} skipped`);
process.exitCode = sum('failed') === 0 && empty.length === 0 && sum('passed') > 0 && (isCovered || !isWhole) ? 0 : 1;
