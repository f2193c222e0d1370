import {type Clock, systemClock} from '../clock.js';
import {StorageError} from '../errors.js';
import type {PutSource, Storage} from '../storage.js';

export type IdleSettings = {
	/** 60,000 by default. */
	readonly milliseconds?: number;
	/** Milliseconds that an aborted operation gets to end before it is abandoned; 5,000 by default. */
	readonly grace?: number;
	readonly clock?: Clock;
};

/** Aborts an operation without progress for a minute. Time spent in our own source or consumer does not count. */
export function withIdleTimeout(storage: Storage, settings: IdleSettings = {}): Storage {
	if (storage.watchesIdle) return storage;
	const watch = (signal: AbortSignal, what: string) => startWatch(signal, what, settings);
	return {
		...storage,
		list: (prefix, options) =>
			watched(watch(options.signal, `list ${storage.location}`), signal => storage.list(prefix, {...options, signal})),
		get: (key, options) =>
			watched(watch(options.signal, `download ${key} from ${storage.location}`), signal =>
				storage.get(key, {...options, signal}),
			),
		async put(key, source, options) {
			const dog = watch(options.signal, `upload ${key} to ${storage.location}`);
			return dog.guard(() =>
				storage.put(key, watchedSource(source, dog), {
					...options,
					signal: dog.signal,
					onProgress(bytes) {
						dog.alive();
						options.onProgress?.(bytes);
					},
				}),
			);
		},
		async stat(key, options) {
			const dog = watch(options.signal, `inspect ${key} at ${storage.location}`);
			return dog.guard(() => storage.stat(key, {...options, signal: dog.signal}));
		},
		async remove(keys, options) {
			const dog = watch(options.signal, `remove ${keys[0] ?? 'nothing'} from ${storage.location}`);
			return dog.guard(() => storage.remove(keys, {...options, signal: dog.signal}));
		},
	};
}

type Watch = {
	/** Aborted with the caller's signal, or by the timeout. */
	readonly signal: AbortSignal;
	readonly alive: () => void;
	/** Pauses the timeout until the returned function is called, while we wait for our own source or consumer. */
	readonly hold: () => () => void;
	/** Runs `work` and stops watching; work that does not end after the timeout is abandoned. */
	readonly guard: <T>(work: () => Promise<T>) => Promise<T>;
	readonly stop: () => void;
	readonly late: Promise<never>;
};

function startWatch(outer: AbortSignal, what: string, settings: IdleSettings): Watch {
	const {milliseconds = 60_000, grace = 5000, clock = systemClock} = settings;
	const timeout = new AbortController();
	const ended = new AbortController();
	const signal = AbortSignal.any([outer, timeout.signal]);
	let last = clock.now();
	let waitingForUs = 0;
	const watch = async (): Promise<never> => {
		for (;;) {
			const quiet = waitingForUs > 0 ? 0 : clock.now() - last;
			if (quiet >= milliseconds) break;
			await clock.sleep(milliseconds - quiet, ended.signal);
		}
		const error = new StorageError(
			'timeout',
			`could not ${what}: no progress for ${Math.round(milliseconds / 1000)} s`,
		);
		timeout.abort(error);
		await clock.sleep(grace, ended.signal);
		throw error;
	};
	const late = watch();
	late.catch(() => undefined); // thrown by the race, or no longer needed
	const stop = () => ended.abort();
	const alive = () => {
		last = clock.now();
	};
	return {
		signal,
		alive,
		late,
		stop,
		hold() {
			waitingForUs++;
			return () => {
				waitingForUs--;
				alive();
			};
		},
		async guard(work) {
			try {
				return await Promise.race([work(), late]);
			} finally {
				stop();
			}
		},
	};
}

async function* watched<T>(dog: Watch, start: (signal: AbortSignal) => AsyncIterable<T>): AsyncGenerator<T> {
	const iterator = start(dog.signal)[Symbol.asyncIterator]();
	let waiting = false;
	try {
		for (;;) {
			waiting = true;
			const next = await Promise.race([iterator.next(), dog.late]);
			waiting = false;
			if (next.done) return;
			const release = dog.hold();
			try {
				yield next.value;
			} finally {
				release();
			}
		}
	} finally {
		dog.stop();
		// An iterator that is stuck in next() would never respond.
		const ended = iterator.return?.();
		if (!waiting) await ended;
		else ended?.catch(() => undefined);
	}
}

function watchedSource(source: PutSource, dog: Watch): PutSource {
	const {readInto} = source;
	const ours = async <T>(work: () => Promise<T>): Promise<T> => {
		const release = dog.hold();
		try {
			return await work();
		} finally {
			release();
		}
	};
	return {
		...source,
		async *read(offset, signal) {
			const iterator = source.read(offset, signal)[Symbol.asyncIterator]();
			try {
				for (;;) {
					const next = await ours(() => iterator.next());
					if (next.done) return;
					yield next.value;
				}
			} finally {
				await iterator.return?.();
			}
		},
		readInto: readInto && ((target, offset, signal) => ours(() => readInto(target, offset, signal))),
	};
}
