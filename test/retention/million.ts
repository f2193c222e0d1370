/** Plans a purge, or groups runs, over as many keys as asked; prints peak memory and time as JSON. */
import {parsePath} from '../../source/retention/names.js';
import {planRemotePurge} from '../../source/retention/purge-remote.js';
import {createRunGrouper} from '../../source/retention/runs.js';
import type {StorageObject} from '../../source/storage/storage.js';
import {createMemoryStorage} from '../helpers/memory-storage.js';

const [kind, total] = [process.argv[2] ?? '', Number(process.argv[3])];
const databases = Array.from({length: 50}, (_, index) => `database_${index}`);
const newest = Date.parse('2026-10-01T00:00:00Z');
const stampOf = (index: number) => new Date(newest - index * 60_000).toISOString().replace('.000', '');

/** Pages as services send them: keys cut from a long text. */
function* objects(): Generator<StorageObject> {
	for (let page = 0; page * 1000 < total; page++) {
		const text = Array.from({length: Math.min(1000, total - page * 1000)}, (_, index) =>
			keyOf(page * 1000 + index),
		).join('\n');
		for (const key of text.split('\n')) yield {key, size: 10};
	}
}

function keyOf(index: number): string {
	if (kind === 'members') return `p/${databases[index % 50]}_${stampOf(Math.floor(index / 1000))}.d/${index}.dat.gz`;
	// A dump with a checksum, both encrypted, and a time of its own.
	const dump = Math.floor(index / 4);
	const tail = ['.dump.age', '.dump.age.sha256', '.dump.sha256.age', '.dump.sha256.age.sha256'][index % 4];
	return `p/${databases[dump % 50]}_${stampOf(dump)}${tail}`;
}

const began = performance.now();
let result = '';
if (kind === 'runs') {
	const grouper = createRunGrouper([]);
	for (const {key, size} of objects()) {
		const parsed = parsePath(key);
		if (parsed) grouper.add(key, parsed, size);
	}
	result = `${grouper.runs().length} runs`;
} else {
	const {plan} = await planRemotePurge({
		storage: {
			...createMemoryStorage(),
			async *list() {
				yield* objects();
			},
		},
		directoryOf: () => 'p/',
		subjects: databases.map(name => ({
			subject: {kind: 'database', name},
			policy: {olderThan: 30 * 86_400_000, minKeep: 3, keepWeekly: 4},
		})),
		runPolicy: {olderThan: 0, minKeep: 0},
		databases,
		start: newest,
		now: newest,
		current: new Set(),
		signal: new AbortController().signal,
	});
	const counts = {keep: 0, remove: 0};
	for (const {action} of plan.decisions) counts[action]++;
	result = `${counts.keep + counts.remove} dumps, ${counts.remove} to remove`;
}
const seconds = (performance.now() - began) / 1000;
process.stdout.write(JSON.stringify({peak: process.resourceUsage().maxRSS * 1024, seconds, result}));
