/** Removes the files of a purge plan from a storage, in batches, and reports what is known of each. */
import {contentsNames} from '../core/directory-dump.js';
import type {RemoveOptions, RemoveResult, Storage} from '../storage/storage.js';
import type {PlannedItem} from './purge-plan.js';

/** Each batch is confirmed by a listing, so the batches are large; the removed keys are in memory meanwhile. */
const sizeOfBatches = ({listsRanges}: Storage) => (listsRanges === true ? 2_000 : 100_000);

export type RemovalReport = {
	/**
	 * Receives each item with its result; a directory dump once, when all of it is removed or with its first problem, and
	 * how many of its files are gone then.
	 */
	readonly done: (item: PlannedItem, result: RemoveResult, gone: number) => void;
};

export type Removal = {
	readonly add: (item: PlannedItem) => Promise<void>;
	/** Removes a directory dump: lists it again instead of keeping all its keys. */
	readonly directory: (item: PlannedItem) => Promise<void>;
	/** Removes what was added. Returns the paths that could not be removed since the beginning. */
	readonly flush: () => Promise<ReadonlySet<string>>;
};

/** The place does not respond, or what is removed there cannot be checked any more: the next request would only fail. */
export class RemovalEnded extends Error {
	override readonly name = 'RemovalEnded';
	/** Absent when the reports have named the problem. */
	readonly reason: unknown;

	constructor(reason?: unknown) {
		super('the removal has ended', {cause: reason});
		this.reason = reason;
	}
}

/**
 * The functions throw RemovalEnded, after the reports of all items that were requested, and what `options.stop` aborts
 * with.
 */
export function createRemoval(storage: Storage, options: RemoveOptions, {done}: RemovalReport): Removal {
	const stop = options.stop ?? options.signal;
	const batchSize = sizeOfBatches(storage);
	let batch: PlannedItem[] = [];
	const failed = new Set<string>();

	async function remove(keys: readonly string[]): Promise<readonly RemoveResult[]> {
		try {
			return await storage.remove(keys, options);
		} catch (thrown) {
			stop.throwIfAborted();
			if (isExhausted(thrown)) throw new RemovalEnded(thrown);
			const error = thrown instanceof Error ? thrown : new Error(String(thrown));
			return keys.map(key => ({key, error}));
		}
	}

	/** Reports the result, unless the next request would fail in the same way. */
	function report(item: PlannedItem, result: RemoveResult, gone: number): void {
		if (!isExhausted(result.error)) done(item, result, gone);
		if (result.error !== undefined || result.kept !== undefined) failed.add(item.path);
	}

	function endIfUseless(results: readonly RemoveResult[]): void {
		stop.throwIfAborted();
		const exhausted = results.find(({error}) => isExhausted(error));
		if (exhausted) throw new RemovalEnded(exhausted.error);
		if (results.some(({unchecked}) => unchecked !== undefined)) throw new RemovalEnded();
	}

	async function flush(): Promise<ReadonlySet<string>> {
		const items = batch;
		batch = [];
		if (items.length === 0) return failed;
		const results = await remove(items.map(item => item.path));
		const byKey = new Map(results.map(result => [result.key, result]));
		for (const item of items) report(item, byKey.get(item.path) ?? {key: item.path}, 0);
		endIfUseless(results);
		return failed;
	}

	async function directory(item: PlannedItem): Promise<void> {
		const steps = await stepsOf(storage, item, stop).catch((error: unknown) => {
			stop.throwIfAborted();
			if (isExhausted(error)) throw new RemovalEnded(error);
			report(item, {key: item.path, error: error instanceof Error ? error : new Error(String(error))}, 0);
			return undefined;
		});
		if (!steps) return;
		let gone = 0;
		for (const keys of steps) {
			const results = await remove(keys);
			const problem = results.find(({error, kept}) => error !== undefined || kept !== undefined);
			gone += results.filter(({error, kept}) => error === undefined && kept === undefined).length;
			if (!problem) continue;
			report(item, {...problem, key: item.path}, gone);
			endIfUseless(results);
			return;
		}
		report(item, {key: item.path}, gone);
	}

	return {
		flush,
		directory,
		async add(item) {
			batch.push(item);
			if (batch.length >= batchSize) await flush();
		},
	};
}

/** Returns the keys of a directory dump in the order of their removal: its table of contents first, directory entries last. */
async function stepsOf(
	storage: Storage,
	item: PlannedItem,
	signal: AbortSignal,
): Promise<readonly (readonly string[])[]> {
	const prefix = `${item.path}/`;
	const first: string[] = [];
	const files: string[] = [];
	const directories: string[] = [];
	for await (const {key, directory} of storage.list(item.path, {signal})) {
		if (!key.startsWith(prefix) && !(directory && key === item.path)) continue;
		if (directory) directories.push(key);
		else (contentsNames.some(name => prefix + name === key) ? first : files).push(key);
	}
	const deepestFirst = directories.toSorted((a, b) => b.length - a.length).map(key => [key]);
	return [first, ...chunks(files, sizeOfBatches(storage)), ...deepestFirst].filter(keys => keys.length > 0);
}

function* chunks(keys: readonly string[], size: number): Generator<readonly string[]> {
	for (let start = 0; start < keys.length; start += size) yield keys.slice(start, start + size);
}

/** The budget for retries is used up: the next request would only take as long. */
function isExhausted(error: unknown): boolean {
	return error instanceof Error && (error as {readonly exhausted?: boolean}).exhausted === true;
}
