/** The purge of a remote place, by the same policy. */
import type {Emit} from '../core/events.js';
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import type {Storage} from '../storage/storage.js';
import {subjectText, subjectTexts} from './names.js';
import {purgeError, type PurgeErrors} from './purge.js';
import {
	contentsNames,
	createPlanner,
	groupItems,
	hasManifest,
	isManifest,
	type PlannedItem,
	type PurgeOptions,
	type PurgePlan,
} from './purge-plan.js';

export type RemotePurgeOptions = PurgeOptions & {
	readonly storage: Storage;
	/**
	 * The place of the files of a subject, given the text that stands for it in file names: upload prefix and the way from the
	 * backup directory, with a slash at its end; empty for the root.
	 */
	readonly directoryOf: (subjectText: string) => string;
	readonly signal: AbortSignal;
};

/** Looks only: one listing of what all places have in common. A listing that fails gives an empty plan and its error. */
export async function planRemotePurge(options: RemotePurgeOptions): Promise<{plan: PurgePlan; errors: PurgeErrors}> {
	const {storage, signal} = options;
	const planner = createPlanner(options, options.directoryOf);
	try {
		for await (const object of storage.list(commonPlace(options), {signal})) {
			planner.add({path: object.key, size: object.size, directory: object.directory === true});
		}
	} catch (error) {
		signal.throwIfAborted();
		return {
			plan: {location: storage.location, decisions: []},
			errors: [purgeError(`could not purge ${storage.location}`, error)],
		};
	}
	// What the listing did not show is not there.
	return {plan: await planner.plan(storage.location, async () => false), errors: []};
}

/**
 * Carries a plan out: manifests first, and files whose manifest would not go stay. Removes in batches; all errors are
 * returned, one for each thing that stays and should not; a remote that cannot be reached any more is one error, and ends it.
 * Rejects only when `signal` aborts.
 */
export async function executeRemotePurge(
	plan: PurgePlan,
	{storage, emit, signal}: {readonly storage: Storage; readonly emit: Emit; readonly signal: AbortSignal},
): Promise<PurgeErrors> {
	const errors: PgBackError[] = [];
	const {location} = plan;
	const removal = createRemoval(storage, signal, (item, error) => {
		if (error === undefined) emit({type: 'file.removed', path: item.path, location, reason: item.reason});
		else errors.push(removalError(item.path, location, error));
		return error === undefined;
	});
	try {
		await carryOut(plan, removal, {emit, signal});
	} catch (error) {
		signal.throwIfAborted();
		if (!isExhausted(error)) throw error;
		errors.push(purgeError(`could not purge ${location}`, error));
	}
	return errors;
}

async function carryOut(
	plan: PurgePlan,
	removal: ReturnType<typeof createRemoval>,
	{emit, signal}: {readonly emit: Emit; readonly signal: AbortSignal},
): Promise<void> {
	const {location} = plan;
	const manifests = plan.decisions.filter(({group}) => hasManifest(group));
	for (const decision of manifests.filter(({action}) => action === 'remove')) {
		for (const item of groupItems(decision)) if (isManifest(item.path)) await removal.add(item);
	}
	const stuck = await removal.flush();
	for (const decision of plan.decisions) {
		const held = decision.group.record !== undefined && stuck.has(decision.group.record.path);
		for (const item of groupItems(decision)) {
			signal.throwIfAborted();
			if (decision.action === 'remove' && isManifest(item.path)) continue;
			if (held || item.action === 'keep') {
				const reason = held ? 'its manifest could not be removed' : item.reason;
				emit({type: 'file.kept', path: item.path, location, reason});
			} else if (item.directory) await removal.directory(item);
			else await removal.add(item);
		}
	}
	await removal.flush();
}

/** A storage names the key, the place and the cause itself. */
function removalError(path: string, location: string, error: unknown): PgBackError {
	const told = error instanceof PgBackError && error.message.startsWith(`could not remove ${display(path)}`);
	return told ? error : purgeError(`could not remove ${path} from ${location}`, error);
}

/** Tried again until the time for that was over: the next thing would only take as long. */
function isExhausted(error: unknown): boolean {
	return error instanceof PgBackError && (error as {readonly exhausted?: boolean}).exhausted === true;
}

/** Plans and carries out. */
export async function purgeRemote(options: RemotePurgeOptions & {readonly emit: Emit}): Promise<PurgeErrors> {
	const {plan, errors} = await planRemotePurge(options);
	return [...errors, ...(await executeRemotePurge(plan, options))];
}

const batchSize = 1000;

/** Rejects when a storage has given up; all else is told to `done`, which hears of each item, and of a directory dump once, when all of it is gone. */
function createRemoval(storage: Storage, signal: AbortSignal, done: (item: PlannedItem, error?: unknown) => boolean) {
	let batch: PlannedItem[] = [];
	const failed = new Set<string>();

	async function remove(keys: readonly string[]): Promise<Map<string, unknown>> {
		const errors = new Map<string, unknown>();
		try {
			for (const result of await storage.remove(keys, {signal})) if (result.error) errors.set(result.key, result.error);
		} catch (error) {
			signal.throwIfAborted();
			if (isExhausted(error)) throw error;
			for (const key of keys) errors.set(key, error);
		}
		return errors;
	}

	/** Returns the keys that could not be removed since the beginning. */
	async function flush(): Promise<ReadonlySet<string>> {
		const items = batch;
		batch = [];
		const errors = items.length === 0 ? new Map<string, unknown>() : await remove(items.map(item => item.path));
		for (const item of items) if (!done(item, errors.get(item.path))) failed.add(item.path);
		return failed;
	}

	return {
		flush,
		async add(item: PlannedItem): Promise<void> {
			batch.push(item);
			if (batch.length >= batchSize) await flush();
		},
		/** Lists it again rather than keeping all its keys. Its table of contents goes first, directory entries last. */
		async directory(item: PlannedItem): Promise<void> {
			const prefix = `${item.path}/`;
			const first: string[] = [];
			const files: string[] = [];
			const directories: string[] = [];
			try {
				for await (const {key, directory} of storage.list(item.path, {signal})) {
					if (!key.startsWith(prefix) && !(directory && key === item.path)) continue;
					if (directory) directories.push(key);
					else (contentsNames.some(name => prefix + name === key) ? first : files).push(key);
				}
			} catch (error) {
				signal.throwIfAborted();
				if (isExhausted(error)) throw error;
				done(item, error);
				return;
			}
			const deepestFirst = directories.toSorted((a, b) => b.length - a.length).map(key => [key]);
			const steps = [first, ...chunks(files), ...deepestFirst];
			for (const keys of steps) {
				const [error] = keys.length === 0 ? [] : (await remove(keys)).values();
				if (error !== undefined) {
					done(item, error);
					return;
				}
			}
			done(item);
		},
	};
}

function* chunks(keys: readonly string[]): Generator<readonly string[]> {
	for (let start = 0; start < keys.length; start += batchSize) yield keys.slice(start, start + batchSize);
}

/** The longest directory that all places lie in, as a prefix of keys. */
function commonPlace(options: RemotePurgeOptions): string {
	const texts = options.subjects.flatMap(({subject}) => subjectTexts(subject, options.databases));
	const places = [...texts, subjectText({kind: 'run'})].map(options.directoryOf);
	let common = places[0] ?? '';
	for (const place of places) while (!place.startsWith(common)) common = common.slice(0, -1);
	return common.slice(0, common.lastIndexOf('/') + 1);
}
