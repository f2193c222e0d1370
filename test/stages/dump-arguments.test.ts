import assert from 'node:assert/strict';
import {test} from 'node:test';
import {dumpArguments, isGzipped, needsCreateFile, type DumpChoices} from '../../source/stages/dump-arguments.js';

const none: DumpChoices = {
	format: 'custom',
	parallelJobs: 1,
	schemas: [],
	excludeSchemas: [],
	tables: [],
	excludeTables: [],
	withBlobs: undefined,
	compression: undefined,
	options: [],
};

test('the thresholds of the versions: what an old pg_dump cannot do is left out with a warning', () => {
	const cases: readonly (readonly [Partial<DumpChoices>, number, readonly string[], RegExp | undefined])[] = [
		[{}, 150_018, ['-Fc', '-w'], undefined],
		[{format: 'directory', parallelJobs: 4}, 90_300, ['-Fd', '-w', '-j', '4'], undefined],
		[{format: 'directory', parallelJobs: 4}, 90_200, ['-Fd', '-w'], /does not support parallel jobs/],
		[{format: 'custom', parallelJobs: 4}, 150_000, ['-Fc', '-w'], undefined],
		[{withBlobs: true}, 90_000, ['-Fc', '-w', '-b'], undefined],
		[{withBlobs: false}, 100_000, ['-Fc', '-w', '-B'], undefined],
		[{withBlobs: false}, 90_600, ['-Fc', '-w'], /does not support excluding blobs/],
		[{compression: '0'}, 150_000, ['-Fc', '-w', '-Z', '0'], undefined],
		[{format: 'tar', compression: '5'}, 150_000, ['-Ft', '-w'], /compression level is not supported/],
		[
			{format: 'plain', schemas: ['a'], excludeSchemas: ['b'], tables: ['c'], excludeTables: ['d']},
			150_000,
			['-Fp', '-w', '-n', 'a', '-N', 'b', '-t', 'c', '-T', 'd'],
			undefined,
		],
		[{options: ['--x', 'y z']}, 150_000, ['-Fc', '-w', '--x', 'y z'], undefined],
	];
	for (const [choices, version, expected, warning] of cases) {
		const {args, warnings} = dumpArguments({...none, ...choices}, version);
		assert.deepEqual(args, expected);
		assert.equal(warnings.length, warning ? 1 : 0);
		if (warning) assert.match(warnings[0] ?? '', warning);
	}
});

test('which dumps have createdb.sql beside them, and which are called .gz', () => {
	assert.deepEqual(
		[needsCreateFile(150_000, 'custom'), needsCreateFile(150_000, 'plain'), needsCreateFile(100_000, 'custom')],
		[false, true, true],
	);
	for (const [format, compression, gzipped] of [
		['plain', undefined, false],
		['plain', '0', false],
		['plain', '1', true],
		['plain', '9', true],
		['plain', 'gzip', true],
		['plain', 'gzip:5', true],
		['plain', 'gzip:0', false],
		['plain', 'gzip:level=0', false],
		['plain', 'none', false],
		['custom', '9', false],
	] as const)
		assert.equal(isGzipped(format, compression), gzipped, `${format} ${compression}`);
});
