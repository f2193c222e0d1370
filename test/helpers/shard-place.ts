/** Checks what a divided run has left at a remote location. */
import assert from 'node:assert/strict';
import {joinShards} from '../../source/repository/join-shards.js';
import {parseManifest} from '../../source/repository/manifest-read.js';
import type {S3Server} from './s3-server.js';

type Reader = {readonly keys: () => Promise<string[]>; readonly read: (key: string) => Promise<Buffer>};

/** Returns the runs that the manifests below x/ are of. */
export async function joined({keys, read}: Reader) {
	const found = [];
	for (const key of await keys())
		if (key.startsWith('x/') && key.endsWith('.manifest.json'))
			found.push({path: key, manifest: parseManifest((await read(key)).toString(), key)});
	return joinShards(found, Date.now());
}

/** Returns the keys of objects that were overwritten with other bytes, a list that grows. */
export function watchRewrites(server: S3Server): readonly string[] {
	const rewritten: string[] = [];
	const {objects} = server;
	const set = objects.set.bind(objects);
	objects.set = (key, held) => {
		const before = objects.get(key);
		if (before && !before.bytes.equals(held.bytes) && !key.startsWith('fleet/status/')) rewritten.push(key);
		return set(key, held);
	};
	return rewritten;
}

/** Fails unless the manifests are those of one complete run with each database once. */
export async function assertOneRun(place: Reader, names: readonly string[]): Promise<void> {
	const runs = await joined(place);
	assert.equal(runs.length, 1);
	const [run] = runs;
	assert.ok(run);
	const {manifest} = run;
	assert.equal(manifest.outcome, 'complete');
	assert.deepEqual(manifest.failed, []);
	assert.deepEqual(manifest.databases.toSorted(), names);
	const dumps = manifest.files.filter(({role}) => role === 'dump').map(({database}) => database ?? '');
	assert.deepEqual(dumps.toSorted(), names);
	const keys = (await place.keys()).filter(key => key.endsWith('.dump'));
	assert.equal(keys.length, names.length, keys.join('\n'));
	assert.equal(manifest.files.filter(({role}) => role === 'globals').length, 1);
}
