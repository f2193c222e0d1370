import {posix} from 'node:path';
import type {Storage, StorageObject} from '../storage.js';

/** The keys below `prefix` (upload_prefix), seen without it. An empty prefix adds nothing; `/x` keeps its slash. */
export function withPrefix(storage: Storage, prefix: string): Storage {
	const folder = cleanPrefix(prefix);
	if (folder === '') return storage;
	const inner = (key: string) => folder + key;
	const outer = (key: string) => key.slice(folder.length);
	const {cleanup} = storage;
	return {
		...storage,
		location: storage.location.replace(/\/?$/, '/') + folder,
		async *list(wanted, options) {
			const after = options.after === undefined ? undefined : inner(options.after);
			for await (const object of storage.list(inner(wanted), {...options, after})) {
				yield {...object, key: outer(object.key)} satisfies StorageObject;
			}
		},
		put: (key, source, options) => storage.put(inner(key), source, options),
		get: (key, options) => storage.get(inner(key), options),
		async stat(key, options) {
			const info = await storage.stat(inner(key), options);
			return info && {...info, key};
		},
		async remove(keys, options) {
			const results = await storage.remove(keys.map(inner), options);
			return results.map(result => ({...result, key: outer(result.key)}));
		},
		cleanup: cleanup && (async (wanted, options) => (await cleanup(inner(wanted), options)).map(outer)),
	};
}

/** `a/b/` for `a//b/./`; nothing for nothing. */
export function cleanPrefix(prefix: string): string {
	if (prefix === '') return '';
	const cleaned = posix.normalize(prefix).replace(/\/+$/, '');
	if (cleaned === '.') return '';
	return `${cleaned}/`;
}
