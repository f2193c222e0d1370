import {display} from '../../lib/display.js';
import type {Storage} from '../storage.js';

/** Reads what is there and changes nothing: uploads and removals are only told of. */
export function withDryRun(storage: Storage, log: (text: string) => void): Storage {
	return {
		...storage,
		put(key, source, options) {
			log(`would upload ${display(key)} to ${display(storage.location)}`);
			return Promise.resolve({size: source.size ?? options.expectedSize ?? 0, checked: 'dry run'});
		},
		remove(keys) {
			for (const key of keys) log(`would remove ${display(key)} from ${display(storage.location)}`);
			return Promise.resolve(keys.map(key => ({key})));
		},
		cleanup: storage.cleanup && (() => Promise.resolve([])),
	};
}
