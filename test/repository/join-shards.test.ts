/** The manifests of shards, read as one run. */
import assert from 'node:assert/strict';
import {describe, test} from 'node:test';
import {joinShards} from '../../source/repository/join-shards.js';
import type {Manifest, ManifestFile, ShardFacts} from '../../source/repository/manifest.js';
import {parsePath} from '../../source/retention/names.js';

const time = '2026-11-28T02:00:00Z';
const before = Date.parse(time) + 1000;
const after = Date.parse(time) + 2 * 86_400_000;

function dump(database: string): ManifestFile {
	const path = `${database}_${time}.dump`;
	return {path, role: 'dump', database, time, size: 1, sha256: 'a'.repeat(64), verified: 'hash', shipped: []};
}

type Given = {
	readonly index: number;
	readonly attempt?: number;
	readonly databases: readonly string[];
	readonly failed?: readonly string[];
	readonly gone?: readonly string[];
};

function part({index, attempt = 1, databases, failed = [], gone}: Given) {
	const shard: ShardFacts = {
		...{index, of: 3, expected: [1, 2, 3], deadline: '2026-11-29T02:00:00Z', databases: ['a', 'b', 'c', 'd']},
		...(gone && {gone}),
	};
	const manifest: Manifest = {
		...{schema: 1, runId: 'run', outcome: failed.length > 0 ? 'partial' : 'complete', start: time},
		...{
			end: `2026-11-28T02:0${index}:00Z`,
			host: `h${index}`,
			server: {version: '17'},
			version: '3',
			tools: {},
			options: {},
		},
		...{databases: [...databases, ...failed], shard, files: databases.map(dump)},
		failed: failed.map(database => ({database, code: 'DUMP_FAILED', message: 'x'})),
	};
	const text = attempt === 1 ? '' : `.${attempt}`;
	return {path: `p/pg_back_${time}.shard-${index}-of-3${text}.manifest.json`, manifest};
}

const one = part({index: 1, databases: ['a']});
const two = part({index: 2, databases: ['b', 'c']});
const three = part({index: 3, databases: ['d']});

describe('shards as one run', () => {
	test('are complete when all are there', () => {
		const [run, ...others] = joinShards([three, one, two], before);
		assert.equal(others.length, 0);
		assert.equal(run?.manifest.outcome, 'complete');
		assert.equal(run.path, `p/pg_back_${time}.manifest.json`);
		assert.deepEqual(run.parts, [one.path, two.path, three.path]);
		assert.deepEqual(run.manifest.files.map(({database}) => database).toSorted(), ['a', 'b', 'c', 'd']);
		assert.equal(run.manifest.end, '2026-11-28T02:03:00Z');
		assert.equal(run.manifest.shard, undefined);
	});

	test('are running before the deadline, and partial after it with what is missing', () => {
		const [running] = joinShards([one, two], before);
		assert.deepEqual([running?.manifest.outcome, running?.manifest.failed], ['running', []]);
		const [late] = joinShards([one, two], after);
		assert.equal(late?.manifest.outcome, 'partial');
		assert.deepEqual(
			late.manifest.failed.map(({database}) => database),
			['d'],
		);
	});

	test('a second attempt makes up for what failed in the first', () => {
		const bad = part({index: 2, databases: ['b'], failed: ['c']});
		const [partial] = joinShards([one, bad, three], before);
		assert.deepEqual([partial?.manifest.outcome, partial?.manifest.failed.length], ['partial', 1]);
		const [whole] = joinShards([one, bad, part({index: 2, attempt: 2, databases: ['b', 'c']}), three], before);
		assert.deepEqual([whole?.manifest.outcome, whole?.manifest.failed.length], ['complete', 0]);
		assert.equal(whole?.manifest.files.length, 4);
	});

	test('a database that was dropped meanwhile is not missing', () => {
		const [run] = joinShards([one, two, part({index: 3, databases: [], gone: ['d']})], after);
		assert.deepEqual([run?.manifest.outcome, run?.manifest.databases], ['complete', ['a', 'b', 'c']]);
	});

	test('runs that are not divided stay as they are', () => {
		const {shard: _shard, ...plain} = one.manifest;
		const found = [{path: `p/pg_back_${time}.manifest.json`, manifest: {...plain, runId: 'other'}}];
		assert.deepEqual(joinShards(found, before), found);
		assert.equal(joinShards([...found, one, two], before).length, 2);
	});

	test('names tell the shard, and no other file of a run has one', () => {
		assert.deepEqual(parsePath(one.path)?.shard, {index: 1, of: 3, attempt: 1});
		assert.equal(parsePath(`pg_back_${time}.shard-1-of-3.2.private.json.age`)?.shard?.attempt, 2);
		for (const name of [
			'shard-0-of-3.manifest.json',
			'shard-1-of-3.proven.json',
			'shard-1-of-3.dump',
			'shard-x-of-3.manifest.json',
		])
			assert.equal(parsePath(`pg_back_${time}.${name}`), undefined, name);
	});
});
