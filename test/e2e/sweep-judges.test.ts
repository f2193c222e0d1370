/** The judges of the fault sweeps, tried on programs that were made worse: each kind of lie must be found. */
import assert from 'node:assert/strict';
import {chmodSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {plantedSweep} from '../../scripts/faults/planted.js';
import {remoteSweep} from '../../scripts/faults/remote.js';
import {type Bench, openBench} from '../../scripts/faults/sweep.js';
import {scratchDirectory} from '../helpers/program.js';

let bench: Bench;
before(async () => {
	bench = await openBench(1);
});
after(() => bench.close());

/** A program that runs the real one, with `$directory` for the value of -b, and then does what these lines of shell say. */
function sabotage(lines: string): readonly string[] {
	const path = join(scratchDirectory('sabotage'), 'program');
	const script = `#!/bin/bash
for word in "$@"; do [ "$last" = -b ] && directory=$word; last=$word; done
base=\${directory%/*}
${lines}
`;
	writeFileSync(path, script);
	chmodSync(path, 0o755);
	return [path];
}

/** One for each command; the first is a backup. */
const points = 6;

describe('the judge of planted files', () => {
	test('finds nothing wrong with the program itself', async () => {
		const {total, violations} = await plantedSweep(bench, points);
		assert.deepEqual([total, violations], [points, []]);
	});

	for (const [what, lines, finds] of [
		['writes outside', '"$@"; code=$?; echo x >>"$base/outside/secret"; exit $code', /something outside was touched/],
		['follows a link out', '"$@"; code=$?; rm -r "$base/outside/folder"; exit $code', /something outside was touched/],
		[
			'uploads a file from outside',
			'"$@"; cp "$base/outside/secret" "$base/store/loot"; exit 1',
			/was uploaded from outside/,
		],
		['claims success without a dump', 'exit 0', /exit status 0, and there is no new dump/],
		['crashes', '"$@"; exit 70', /exit status 70/],
		['is killed', 'kill -9 $$', /exit status null/],
	] as const)
		test(`finds a program that ${what}`, async () => {
			const {violations} = await plantedSweep(bench, 1, {sabotage: sabotage(lines)});
			assert.ok(
				violations.some(text => finds.test(text)),
				violations.join('\n'),
			);
		});
});

describe('the judge of broken remotes', () => {
	for (const [what, lines, finds] of [
		['claims success whatever happened', '"$@"; exit 0', /exit status 0, and nothing is there|not whole/],
		[
			'deletes the local file of a failed upload',
			'"$@"; code=$?; rm -f "$directory"/postgres_*; exit $code',
			/the dump is nowhere/,
		],
		['crashes', '"$@"; exit 70', /exit status 70/],
	] as const)
		test(`finds a program that ${what}`, async () => {
			// Until a fault of the seed makes an upload fail.
			const {violations} = await remoteSweep(bench, 10, {stores: ['s3'], sabotage: sabotage(lines)});
			assert.ok(
				violations.some(text => finds.test(text)),
				violations.join('\n'),
			);
		});
});
