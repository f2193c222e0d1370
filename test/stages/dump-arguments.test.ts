import assert from 'node:assert/strict';
import {test} from 'node:test';
import {
	compressedSuffix,
	dumpArguments,
	type DumpChoices,
	needsCreateFile,
} from '../../source/stages/dump-arguments.js';

const none: DumpChoices = {
	format: 'custom',
	parallelJobs: 1,
	schemas: [],
	excludeSchemas: [],
	tables: [],
	excludeTables: [],
	withBlobs: undefined,
	compression: undefined,
	statistics: 'auto',
	serverVersion: 150_018,
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
		[{statistics: 'yes'}, 170_000, ['-Fc', '-w'], /pg_dump 18 or newer is needed/],
		[{statistics: 'no'}, 170_000, ['-Fc', '-w'], undefined],
		[{}, 180_000, ['-Fc', '-w'], undefined],
		[{serverVersion: 180_000}, 180_000, ['-Fc', '-w', '--statistics'], undefined],
		[{statistics: 'yes'}, 180_000, ['-Fc', '-w', '--statistics'], undefined],
		[{serverVersion: 180_000, statistics: 'no'}, 180_000, ['-Fc', '-w', '--no-statistics'], undefined],
		...['-s', '-xa', '--schema-only', '--data-on', '--no-stat', '--statistics-only'].map(
			option => [{options: [option], serverVersion: 180_000}, 180_000, ['-Fc', '-w', option], undefined] as const,
		),
		[{options: ['-s'], statistics: 'yes'}, 180_000, ['-Fc', '-w', '-s'], /pg_dump_options decide/],
		[{options: ['--x', 'y z']}, 150_000, ['-Fc', '-w', '--x', 'y z'], undefined],
	];
	for (const [choices, version, expected, warning] of cases) {
		const {args, warnings} = dumpArguments({...none, ...choices}, version);
		assert.deepEqual(args, expected);
		assert.equal(warnings.length, warning ? 1 : 0);
		if (warning) assert.match(warnings[0] ?? '', warning);
	}
});

test('which dumps come with createdb.sql, and which have the suffixes .gz, .lz4 and .zst', () => {
	assert.deepEqual(
		[needsCreateFile(150_000, 'custom'), needsCreateFile(150_000, 'plain'), needsCreateFile(100_000, 'custom')],
		[false, true, true],
	);
	for (const [format, compression, suffix] of [
		['plain', undefined, undefined],
		['plain', '0', undefined],
		['plain', '1', 'gz'],
		['plain', '9', 'gz'],
		['plain', 'gzip', 'gz'],
		['plain', 'gzip:5', 'gz'],
		['plain', 'gzip:0', undefined],
		['plain', 'gzip:level=0', undefined],
		['plain', 'none', undefined],
		['plain', 'zstd:3', 'zst'],
		['plain', 'zstd:level=3,long', 'zst'],
		['plain', 'lz4', 'lz4'],
		['plain', '-1', undefined],
		['plain', 'auto', undefined],
		['custom', '9', undefined],
		['custom', 'zstd', undefined],
	] as const)
		assert.equal(compressedSuffix(format, compression), suffix, `${format} ${compression}`);
});
