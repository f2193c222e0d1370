/**
 * Measures the coverage of the source by the test processes themselves. Programs that tests start (the built bundle)
 * are not counted: their thousands of reports would take longer to read than the tests to run.
 */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** Percent of lines below which a run of all tests fails. */
const floor = 90;

export type Coverage = {
	/** Prints the summary. Resolves to whether the minimum is reached. Removes the collected files. */
	readonly report: () => Promise<boolean>;
};

/**
 * Makes each Node.js process that is started from now on record its coverage, until it removes NODE_V8_COVERAGE
 * (leave.mjs does).
 */
export function collectCoverage(): Coverage {
	const directory = mkdtempSync(join(tmpdir(), 'pgb-coverage-'));
	process.env['NODE_V8_COVERAGE'] = directory;
	return {
		async report() {
			delete process.env['NODE_V8_COVERAGE'];
			const c8 = createRequire(import.meta.url).resolve('c8/bin/c8.js');
			const child = spawn(
				process.execPath,
				[
					...[c8, 'report', '--temp-directory', directory, '--include', 'source/**', '--exclude-after-remap'],
					...['--reporter', 'text-summary', '--check-coverage', '--lines', String(floor)],
				],
				{stdio: ['ignore', 'inherit', 'inherit']},
			);
			const [code] = (await once(child, 'close')) as [number | null];
			rmSync(directory, {recursive: true});
			return code === 0;
		},
	};
}
