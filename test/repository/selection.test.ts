import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import type {FoundManifest} from '../../source/repository/found-manifest.js';
import {goodDumps} from '../../source/repository/good-dumps.js';
import {nothingMatches, Selection, type SelectionOptions} from '../../source/repository/selection.js';

const keys = [
	'a_2026-01-01T00:00:00Z.dump',
	'b_2026-01-01T00:00:00Z.d/toc.dat',
	'b_2026-01-01T00:00:00Z.d/1.dat',
	'a/dumps/a_2026-01-01T00:00:00Z.sql.gz',
	'docs/read_me.txt',
	'read_me.txt',
	'%C3%9Cbung_2026-01-01T00:00:00Z.dump',
	'a_2026-01-02T00:00:00Z.dump',
	'a_2026-01-02T00:00:00Z.dump.sha256',
	'pg_globals_2026-01-01T00:00:00Z.sql',
	'pg_back_2026-01-01T00:00:00Z.manifest.json',
];
const hidden = ['.pg_back-upload-0123456789abcdef.json', '.ssh/id_rsa', 'b_2026-01-01T00:00:00Z.d/.x', 'x/.y/z'];

function select(patterns: readonly string[], options: Partial<SelectionOptions> = {}, isGood?: () => boolean) {
	const selection = new Selection(patterns, {databases: 'newest', prefix: 'pre/', ...options});
	for (const path of [...keys, ...hidden]) selection.add({path, size: 1});
	assert.equal(selection.seen, keys.length);
	const {items, unmatched} = selection.result(isGood);
	return {taken: items.map(({path}) => keys.indexOf(path)).toSorted((a, b) => a - b), unmatched};
}

const taken = (...patterns: string[]) => select(patterns).taken;

describe('a selection', () => {
	it('takes everything without patterns, but never a hidden file', () => {
		assert.deepEqual(
			taken(),
			keys.map((_, index) => index),
		);
		for (const pattern of ['*', '.*', '*/*', '.ssh/*', '.ssh/id_rsa', hidden[0] ?? '', 'b_*.d/.x'])
			assert.ok(!taken(pattern).includes(-1), pattern);
	});

	it('takes files by their path, their whole key, or the name of a dump', () => {
		assert.deepEqual(taken('pre/a_*'), [0, 7, 8]);
		assert.deepEqual(taken('*/dumps/*'), [3]);
		assert.deepEqual(taken('*.dat'), []);
		assert.deepEqual(taken('*.txt'), [5]);
		assert.deepEqual(taken('A_*'), []);
		assert.deepEqual(taken('./a_2026-01-01*'), [0, 3]);
	});

	it('takes a directory dump as one, with all its members', () => {
		for (const pattern of [
			'b_*',
			'b_2026-01-01*',
			'b_2026-01-01T00:00:00Z.d',
			'b_2026-01-01T00:00:00Z.d/',
			'pre/b_*',
			'*.d',
		])
			assert.deepEqual(taken(pattern), [1, 2], pattern);
		assert.deepEqual(taken('b_*.d/toc*'), [1]);
	});

	it('takes the newest good dump of a database by its exact name, with what belongs to it', () => {
		assert.deepEqual(taken('a'), [7, 8]);
		assert.deepEqual(taken('b'), [1, 2]);
		assert.deepEqual(taken('Übung'), [6]);
		assert.deepEqual(taken('Ü*'), [6]);
		assert.deepEqual(taken('Übung_2026-01-01*'), [6]);
		assert.deepEqual(taken('pg_globals'), [9]);
		assert.deepEqual(select(['a'], {databases: 'all'}).taken, [0, 3, 7, 8]);
		assert.deepEqual(select(['a'], {}, () => false).taken, [7, 8], 'none is good: the newest');
	});

	it('names every pattern that takes nothing', () => {
		assert.deepEqual(select(['a', 'nosuch', 'b_*', 'c_*']), {taken: [1, 2, 7, 8], unmatched: ['nosuch', 'c_*']});
		const error = nothingMatches('nosuch', 's3://b/', 12);
		assert.equal(error.exitCode, 1);
		assert.equal(error.message, 'nothing at s3://b/ matches nosuch: searched 12 files');
	});

	it('takes paths below the directory, as a shell completes them', () => {
		assert.deepEqual(select([`/srv/backups/${keys[0] ?? ''}`], {directory: '/srv/backups'}).taken, [0]);
	});

	it('refuses a malformed pattern', () => {
		assert.throws(() => new Selection(['[a'], {databases: 'all'}), {code: 'USAGE', message: /malformed pattern \[a/});
	});
});

describe('a good dump', () => {
	const manifest = (files: readonly object[]): FoundManifest[] => [
		{path: 'm', manifest: {files} as unknown as FoundManifest['manifest']},
	];

	it('is not empty and has the size that its manifest names', () => {
		const isGood = goodDumps(manifest([{path: 'a.dump', size: 3}]));
		assert.equal(isGood('a.dump', [{path: 'a.dump', size: 3}]), true);
		assert.equal(isGood('a.dump', [{path: 'a.dump', size: 2}]), false);
		assert.equal(isGood('b.dump', [{path: 'b.dump', size: 2}]), true);
		assert.equal(isGood('b.dump', [{path: 'b.dump', size: 0}]), false);
	});

	it('has its table of contents and all members', () => {
		const files = [
			{path: 'a.d/toc.dat', size: 1},
			{path: 'a.d/1.dat', size: 2},
		];
		const isGood = goodDumps(
			manifest([
				{
					path: 'a.d',
					size: 3,
					directory: true,
					members: [
						{path: 'toc.dat', size: 1},
						{path: '1.dat', size: 2},
					],
				},
			]),
		);
		assert.equal(isGood('a.d', files), true);
		assert.equal(isGood('a.d', files.slice(0, 1)), false);
		assert.equal(goodDumps([])('a.d', files.slice(1)), false);
	});
});
