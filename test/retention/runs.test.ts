import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import fc from 'fast-check';
import {parsePath} from '../../source/retention/names.js';
import type {RunRecord} from '../../source/retention/purge-plan.js';
import {createRunGrouper} from '../../source/retention/runs.js';

function group(paths: readonly string[], records: readonly RunRecord[] = []) {
	const grouper = createRunGrouper(records);
	const parsed = paths.map(path => ({path, name: parsePath(path)!}));
	for (const {path, name} of parsed) grouper.add(path, name, 2);
	const runs = grouper.runs();
	return {runs, of: parsed.map(({path, name}) => grouper.runOf(path, name))};
}

describe('files and their runs', () => {
	it('belong together when their times are the same', () => {
		const at = '2026-10-01T02:00:00Z';
		const {runs, of} = group([
			`a_${at}.dump`,
			`a_${at}.dump.sha256`,
			`b_${at}.d/toc.dat.age`,
			`pg_globals_${at}.sql`,
			'a_2026-10-02T02:00:00Z.dump',
		]);
		assert.deepEqual(runs, [
			{
				run: '2026-10-02T02:00:00Z',
				time: Date.parse('2026-10-02T02:00:00Z'),
				subjects: ['a'],
				files: 1,
				bytes: 2,
				encrypted: false,
				manifest: undefined,
			},
			{
				run: at,
				time: Date.parse(at),
				subjects: ['a', 'b', 'pg_globals'],
				files: 4,
				bytes: 8,
				encrypted: true,
				manifest: undefined,
			},
		]);
		assert.deepEqual(of, [at, at, at, at, '2026-10-02T02:00:00Z']);
	});

	it('belong together when 2.x gave each dump its own start', () => {
		const night = (day: string) => [
			`pg_globals_${day}T02:00:00Z.sql`,
			`a_${day}T02:00:01Z.dump`,
			`b_${day}T02:40:10Z.dump`,
		];
		const {runs, of} = group([...night('2026-10-01'), ...night('2026-10-02'), 'c_2026-10-02T05:00:00Z.dump']);
		assert.deepEqual(
			runs.map(run => [run.run, run.subjects.length]),
			[
				['2026-10-02T05:00:00Z', 1],
				['2026-10-02T02:00:00Z', 3],
				['2026-10-01T02:00:00Z', 3],
			],
		);
		assert.equal(new Set(of).size, 3);
	});

	it('are of two runs when a subject comes twice within the hour', () => {
		const {runs} = group([
			'a_2026-10-01T02:00:00Z.dump',
			'b_2026-10-01T02:01:00Z.dump',
			'a_2026-10-01T02:15:00Z.dump',
			'b_2026-10-01T02:16:00Z.dump',
		]);
		assert.deepEqual(
			runs.map(run => run.subjects),
			[
				['a', 'b'],
				['a', 'b'],
			],
		);
	});

	it('belong to the run whose manifest lists them, whatever their times', () => {
		const manifest = 'pg_back_2026-10-01T02:00:00Z.manifest.json';
		const paths = [
			'a_2026-10-01T02:00:00Z.dump',
			'b_2026-10-01T09:00:00Z.d/toc.dat',
			manifest,
			'c_2026-10-01T02:00:00Z.dump',
		];
		const files = [paths[0]!, 'b_2026-10-01T09:00:00Z.d'].map(path => ({path, good: true}));
		const {runs, of} = group(paths, [{path: manifest, runId: 'abc', time: Date.parse('2026-10-01T02:00:00Z'), files}]);
		assert.deepEqual(of, ['abc', 'abc', 'abc', '2026-10-01T02:00:00Z']);
		const known = runs.find(run => run.run === 'abc');
		assert.deepEqual([known?.subjects, known?.files, known?.manifest], [['a', 'b'], 3, manifest]);
	});

	it('are counted once each, in any order', () => {
		const names = fc.array(
			fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat({max: 200}), fc.constantFrom('dump', 'dump.sha256', 'd/toc.dat')),
			{maxLength: 60},
		);
		fc.assert(
			fc.property(names, fc.nat(), (entries, seed) => {
				const time = (minutes: number) => new Date(Date.UTC(2026, 9, 1, 0, minutes)).toISOString().replace('.000', '');
				const paths = entries.map(([subject, minutes, suffix]) => `${subject}_${time(minutes)}.${suffix}`);
				const {runs, of} = group(paths);
				assert.equal(
					runs.reduce((sum, run) => sum + run.files, 0),
					paths.length,
				);
				assert.deepEqual([...new Set(of)].toSorted(), runs.map(run => run.run).toSorted());
				const mixed = paths.toSorted((a, b) => ((a.length * seed) % 7) - ((b.length * seed) % 7));
				assert.deepEqual(group(mixed).runs, runs);
			}),
		);
	});
});
