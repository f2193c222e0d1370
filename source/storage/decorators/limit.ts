import {createGate} from '../gate.js';
import type {Storage} from '../storage.js';

/** At most `transfers` uploads and downloads at once; the others wait their turn, in order. */
export function withLimit(storage: Storage, transfers: number): Storage {
	const enter = createGate(transfers);
	return {
		...storage,
		async put(key, source, options) {
			const leave = await enter(options.signal);
			try {
				return await storage.put(key, source, options);
			} finally {
				leave();
			}
		},
		async *get(key, options) {
			const leave = await enter(options.signal);
			try {
				yield* storage.get(key, options);
			} finally {
				leave();
			}
		},
	};
}
