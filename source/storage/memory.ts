import {isPermanentError, storageError} from './errors.js';
import {compareKeys} from './keys.js';
import {readWhole} from './source.js';
import type {ObjectInfo, OpenContext, Storage} from './storage.js';

export type MemorySettings = {readonly name?: string};

/** Objects in memory, for tests: everything that the interface promises, and nothing that lasts. */
export function createMemoryStorage(settings: MemorySettings = {}): Storage {
	const location = `memory://${settings.name ?? 'memory'}/`;
	const objects = new Map<string, ObjectInfo & {readonly bytes: Buffer}>();
	const exists = (key: string) => storageError('exists', {operation: 'upload', location, key}, 'it exists already');
	return {
		kind: 'memory',
		location,
		async *list(prefix, {signal, after}) {
			for (const key of [...objects.keys()].toSorted(compareKeys)) {
				signal.throwIfAborted();
				const object = objects.get(key);
				if (!object || !key.startsWith(prefix) || (after !== undefined && compareKeys(key, after) <= 0)) continue;
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
			return {size, checked: 'size checked'};
		},
		async *get(key, {signal, offset = 0}) {
			const object = objects.get(key);
			if (!object) throw storageError('missing', {operation: 'download', location, key}, 'no such object');
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

export function openMemory(settings: MemorySettings, _context: OpenContext): Promise<Storage> {
	return Promise.resolve(createMemoryStorage(settings));
}
