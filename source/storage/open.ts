/** Opens a store with its decorators: retries, idle timeouts, limits. */
import {PgBackError} from '../core/errors.js';
import {type Bandwidth, createBandwidth, withBandwidth} from './decorators/bandwidth.js';
import {withConfirmedRemoval} from './decorators/confirm-removal.js';
import {withIdleTimeout} from './decorators/idle.js';
import {withLimit} from './decorators/limit.js';
import {withNetworkWatch} from './decorators/network.js';
import {withRetry} from './decorators/retry.js';
import {createRetryBudget, withRetryBudget} from './decorators/retry-budget.js';
import {StorageError} from './errors.js';
import {createNetworkWatch, type NetworkWatch, type Stall} from './network-watch.js';
import {defaultBudget} from './retrying.js';
import {type Gate, shareSlots} from './semaphore.js';
import type {OpenContext, Storage} from './storage.js';

export type WrapOptions = {
	/** Maximum number of concurrent transfers, or the slots that several storages share. */
	readonly jobs?: number | Gate;
	/** Bytes per second over all transfers, or the limit that several storages share. */
	readonly bandwidth?: number | Bandwidth;
	/** Called when the location takes and gives nothing, and with undefined when that is over. */
	readonly onStall?: (location: string, stall: Stall | undefined) => void;
};

/**
 * Returns the limits of `count` storages that share `jobs` slots and `bandwidth` bytes per second (0: no limit). Each may
 * hold all slots but one for each of the others.
 */
export function shareLimits(
	count: number,
	{jobs, bandwidth}: {readonly jobs: number; readonly bandwidth: number},
): readonly WrapOptions[] {
	const shared = bandwidth > 0 ? {bandwidth: createBandwidth(bandwidth)} : {};
	return shareSlots(jobs, count).map(gate => ({jobs: gate, ...shared}));
}

/**
 * Calls `open` with a context that has one retry budget for all operations of the store, and decorates the result. The
 * caller closes it.
 */
export async function openStorage(
	open: (context: OpenContext) => Promise<Storage>,
	context: OpenContext,
	options: WrapOptions = {},
): Promise<Storage> {
	const budget = createRetryBudget(context.retryBudget ?? defaultBudget);
	let location = '';
	const watch = createNetworkWatch(Date.now, stall => options.onStall?.(location, stall));
	const budgeted: OpenContext = {
		...context,
		onSocket: watch.addSocket,
		get retryBudget() {
			return budget.remaining;
		},
	};
	const target = withNetworkWatch(await open(budgeted), watch);
	({location} = target);
	return withRetryBudget(wrapStorage(withLooks(target, watch), budgeted, options), budget);
}

/** Looks at the connections once a second until the storage is closed. */
function withLooks(storage: Storage, watch: NetworkWatch): Storage {
	const timer = setInterval(watch.look, 1000);
	timer.unref();
	return {
		...storage,
		close() {
			clearInterval(timer);
			return storage.close();
		},
	};
}

/** Applies the decorators in the required order: a transfer keeps its slot while it waits for a retry. */
export function wrapStorage(target: Storage, context: OpenContext, options: WrapOptions = {}): Storage {
	const {clock, log} = context;
	let storage = withIdleTimeout(target, {milliseconds: context.idleTimeout, clock});
	if (options.bandwidth) storage = withBandwidth(storage, options.bandwidth, clock);
	storage = withRetry(storage, {
		clock,
		get budget() {
			return context.retryBudget;
		},
		onRetry: (error, delay, attempt) => log('warn', retryText(error, delay, attempt)),
	});
	storage = withConfirmedRemoval(storage, clock);
	if (options.jobs) storage = withLimit(storage, options.jobs);
	return withCorruptDownloads(storage);
}

/** Bytes that differ from the stored ones are a corrupt file (exit status 17), not a fault of the remote location. */
function withCorruptDownloads(storage: Storage): Storage {
	return {
		...storage,
		async *get(key, options) {
			try {
				yield* storage.get(key, options);
			} catch (error) {
				if (!(error instanceof StorageError) || error.fault !== 'corrupt') throw error;
				throw new PgBackError('CORRUPT', error.message, {
					cause: error,
					hint: 'what was fetched was discarded; try again, or fetch another run',
				});
			}
		},
	};
}

function retryText(error: unknown, delay: number, attempt: number): string {
	const reason = error instanceof Error ? error.message : String(error);
	return `${reason}: trying again in ${(delay / 1000).toFixed(1)} s (attempt ${attempt + 1})`;
}
