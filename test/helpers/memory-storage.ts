import {compareUtf8} from '../../source/lib/compare-utf8.js';
import {fileVersion, isPermanentError, replacedError, storageError} from '../../source/storage/errors.js';
import {readWhole} from '../../source/storage/source.js';
import type {ObjectInfo, Storage} from '../../source/storage/storage.js';

export type MemorySettings = {readonly name?: string};

/** Creates a store in memory, for tests: everything that the interface promises, without persistence. */
export function createMemoryStorage(settings: MemorySettings = {}): Storage {
	const location = `memory://${settings.name ?? 'memory'}/`;
	const objects = new Map<string, ObjectInfo & {readonly bytes: Buffer}>();
	const exists = (key: string) => storageError('exists', {operation: 'upload', location, key}, 'already exists');
	return {
		kind: 'memory',
		location,
		async *list(prefix, {signal, after}) {
			for (const key of [...objects.keys()].toSorted(compareUtf8)) {
				signal.throwIfAborted();
				const object = objects.get(key);
				if (!object || !key.startsWith(prefix) || (after !== undefined && compareUtf8(key, after) <= 0)) continue;
				yield {key, size: object.size, modified: object.modified};
			}
		},
		async put(key, source, options) {
			options.signal.throwIfAborted();
			if (key === '') throw storageError('invalid', {operation: 'upload', location, key}, 'the key is empty');
			if (options.ifAbsent && objects.has(key)) throw exists(key);
			const chunks: Uint8Array[] = [];
			let size = 0;
			for await (const chunk of readWhole(source, 0, options.signal)) {
				chunks.push(Buffer.from(chunk));
				size += chunk.length;
				options.onProgress?.(size);
			}
			if (options.ifAbsent && objects.has(key)) throw exists(key);
			const metadata = options.metadata?.() ?? {};
			objects.set(key, {key, size, modified: Date.now(), metadata, bytes: Buffer.concat(chunks)});
			return {size, proof: {by: 'size'}, created: options.ifAbsent};
		},
		async *get(key, {signal, offset = 0, version, onVersion}) {
			const object = objects.get(key);
			if (!object) throw storageError('missing', {operation: 'download', location, key}, 'no such object');
			const found = fileVersion(object.size, object.modified);
			if (offset > 0 && version !== undefined && version !== found) throw replacedError(location, key);
			onVersion?.(found);
			for (let at = offset; at < object.size; at += 65_536) {
				signal.throwIfAborted();
				yield object.bytes.subarray(at, at + 65_536);
			}
		},
		async stat(key, {signal}) {
			signal.throwIfAborted();
			const object = objects.get(key);
			return object && {key, size: object.size, modified: object.modified, metadata: object.metadata};
		},
		async remove(keys, {signal}) {
			signal.throwIfAborted();
			return keys.map(key => {
				objects.delete(key);
				return {key};
			});
		},
		isPermanent: isPermanentError,
		close: () => Promise.resolve(),
	};
}
