import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {describe, it} from 'node:test';
import {fileURLToPath} from 'node:url';

/** Listing and planning in a process of its own, so that its peak is its own (reliability: a million keys in 256 MiB, 60 s). */
function measure(kind: string, count: number): {peak: number; seconds: number; result: string} {
	const script = fileURLToPath(new URL('million.ts', import.meta.url));
	// The young generation is held small: V8 lets it grow by 100 MiB of garbage, and what we keep is the question.
	const output = execFileSync(
		process.execPath,
		['--max-semi-space-size=16', '--import', 'tsx', script, kind, String(count)],
		{encoding: 'utf8'},
	);
	return JSON.parse(output) as ReturnType<typeof measure>;
}

const full = process.argv.includes('--full') || process.env['PG_BACK_TEST_FULL'] !== undefined;
const count = full ? 1_000_000 : 200_000;

describe(`a listing of ${count} keys`, () => {
	for (const kind of ['purge', 'members', 'runs']) {
		it(`takes bounded memory and time: ${kind}`, test => {
			const {peak, seconds, result} = measure(kind, count);
			test.diagnostic(`${kind}: ${Math.round(peak / 2 ** 20)} MiB, ${seconds.toFixed(1)} s, ${result}`);
			assert.ok(peak < 256 * 2 ** 20, `${peak} bytes`);
			assert.ok(seconds < 60, `${seconds} s`);
		});
	}
});
