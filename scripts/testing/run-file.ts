/** Runs one test file in a separate process and collects the results. */
import {once} from 'node:events';
import {type EventData, run} from 'node:test';
import {inspect} from 'node:util';

/** A test that hangs is killed after this many milliseconds; a file of many tests after the second value. */
const testTimeout = 120_000;
const fileTimeout = 900_000;

const leave = new URL('leave.mjs', import.meta.url).href;

export type Skip = {readonly test: string; readonly reason: string};

export type FileResult = {
	readonly file: string;
	passed: number;
	failed: number;
	readonly skips: Skip[];
	/** Each failure: the names of the test and of its parents, and the error. */
	readonly failures: string[];
	/** Each test that ran, with its milliseconds. */
	readonly durations: {readonly test: string; readonly duration: number}[];
	/** What the file's process wrote, without the reports of its tests. */
	output: string;
	/** Milliseconds. */
	duration: number;
};

type Ended = EventData.TestPass | EventData.TestFail;

/** Runs `file` (an absolute path); `patterns` select tests by name. Never rejects for a failing test. */
export async function runFile(file: string, patterns: readonly RegExp[] | undefined): Promise<FileResult> {
	const result: FileResult = {
		file,
		passed: 0,
		failed: 0,
		skips: [],
		failures: [],
		durations: [],
		output: '',
		duration: 0,
	};
	const names: string[] = [];
	const started = performance.now();
	const stream = run({
		files: [file],
		concurrency: 1,
		signal: AbortSignal.timeout(fileTimeout),
		execArgv: ['--import', 'tsx', '--import', leave, `--test-timeout=${testTimeout}`],
		testNamePatterns: patterns,
	});
	stream.on('test:start', ({nesting, name}) => {
		names.length = nesting;
		names[nesting] = name;
	});
	stream.on('test:pass', data => countPass(result, data, nameOf(names, data)));
	stream.on('test:fail', data => countFailure(result, data, nameOf(names, data)));
	for (const event of ['test:pass', 'test:fail'] as const)
		stream.on(event, (data: Ended) => {
			const {type, duration_ms: duration} = data.details;
			if (type !== 'suite') result.durations.push({test: nameOf(names, data), duration});
		});
	stream.on('test:stdout', ({message}) => (result.output += message));
	stream.on('test:stderr', ({message}) => (result.output += message));
	stream.resume();
	await once(stream, 'end');
	result.duration = performance.now() - started;
	return result;
}

function nameOf(names: readonly string[], {nesting, name}: Ended): string {
	return [...names.slice(0, nesting), name].join(' › ');
}

function countPass(result: FileResult, data: EventData.TestPass, name: string): void {
	if (data.details.type === 'suite') return;
	if (data.skip === undefined && data.todo === undefined) {
		// A file without a test is reported as one test that passes, under the file's own name.
		if (data.name === result.file) return;
		result.passed += 1;
		return;
	}
	const reason = data.skip ?? data.todo;
	if (typeof reason === 'string' && reason !== '') {
		result.skips.push({test: name, reason});
		return;
	}
	result.failed += 1;
	result.failures.push(`${name}\nskipped without a reason`);
}

function countFailure(result: FileResult, data: EventData.TestFail, name: string): void {
	const {error} = data.details;
	const cause: unknown = error.cause;
	const onlyInside = (error as {failureType?: string}).failureType === 'subtestsFailed';
	if (data.details.type !== 'suite' || !onlyInside) result.failed += 1;
	// A test that failed only because of its children is not reported again.
	if (!onlyInside)
		result.failures.push(`${name}\n${cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)}`);
}
