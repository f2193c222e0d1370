/** The purge of a remote place, by the same policy. */
import {PgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {display} from '../lib/display.js';
import type {Storage} from '../storage/storage.js';
import {subjectText, subjectTexts} from './names.js';
import {readPins} from './pins.js';
import {contentsNames, createPlanner} from './planner.js';
import {purgeError, type PurgeErrors} from './purge.js';
import {
	groupItems,
	hasManifest,
	isManifest,
	manifestPaths,
	type PlannedItem,
	type PurgeOptions,
	type PurgePlan,
} from './purge-plan.js';

export type RemotePurgeOptions = PurgeOptions & {
	readonly storage: Storage;
	/**
	 * Returns the directory of a subject, given its text in file names: upload prefix and the path relative to the backup
	 * directory, with a trailing slash; empty for the root.
	 */
	readonly directoryOf: (subjectText: string) => string;
	/** Lists every object of a directory dump in the plan. */
	readonly nameMembers?: boolean;
	/** Objects to ignore, such as those that this run uploads during the listing. */
	readonly ignores?: (key: string) => boolean;
	readonly signal: AbortSignal;
};

/**
 * Plans with one listing of the common prefix of all places; changes nothing. A failed listing gives an empty plan and
 * its error.
 */
export async function planRemotePurge(options: RemotePurgeOptions): Promise<{plan: PurgePlan; errors: PurgeErrors}> {
	const {storage, signal} = options;
	const planner = createPlanner(options, options.directoryOf, {nameMembers: options.nameMembers === true});
	let pins: Awaited<ReturnType<typeof readPins>>;
	try {
		for await (const {key, size, directory, lockedUntil, doubt} of storage.list(commonPlace(options), {signal})) {
			if (options.ignores?.(key)) continue;
			planner.add({
				...{path: key, size, directory: directory === true},
				...(lockedUntil !== undefined && {lockedUntil}),
				...(doubt !== undefined && {doubt}),
			});
		}
		pins = await readPins(planner.pins(), options.readPin);
	} catch (error) {
		signal.throwIfAborted();
		return {
			plan: {location: storage.location, decisions: [], warnings: []},
			errors: [purgeError(`could not purge ${storage.location}`, error)],
		};
	}
	// A file that is not in the listing does not exist.
	return {plan: planner.plan(storage.location, {pins}), errors: []};
}

/**
 * Executes a plan: manifests first; files with a manifest that could not be removed are kept. Removes in batches.
 * Returns one error for each file that could not be removed; a remote that becomes unreachable is one error, and ends
 * it. Rejects only when `signal` aborts.
 */
export async function executeRemotePurge(
	plan: PurgePlan,
	{storage, emit, signal}: {readonly storage: Storage; readonly emit: Emit; readonly signal: AbortSignal},
): Promise<PurgeErrors> {
	const errors: PgBackError[] = [];
	const {location} = plan;
	const removal = createRemoval(storage, signal, (item, failure) => {
		const {path} = item;
		if (failure === undefined) emit({type: 'file.removed', path, location, reason: item.reason});
		else if (failure instanceof Kept) emit({type: 'file.kept', path, location, reason: failure.reason});
		else errors.push(removalError(path, location, failure));
		return failure === undefined;
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
		const {record} = decision.group;
		const held = record !== undefined && manifestPaths(record).some(path => stuck.has(path));
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

/** A storage's message already names the key, the place and the cause. */
function removalError(path: string, location: string, error: unknown): PgBackError {
	const isComplete = error instanceof PgBackError && error.message.startsWith(`could not remove ${display(path)}`);
	return isComplete ? error : purgeError(`could not remove ${path} from ${location}`, error);
}

/** The budget for retries is used up: the next request would only take as long. */
function isExhausted(error: unknown): error is PgBackError {
	return error instanceof PgBackError && (error as {readonly exhausted?: boolean}).exhausted === true;
}

/** Plans and executes. */
export async function purgeRemote(options: RemotePurgeOptions & {readonly emit: Emit}): Promise<PurgeErrors> {
	const {plan, errors} = await planRemotePurge(options);
	for (const text of plan.warnings) options.emit({type: 'log', level: 'warn', text});
	return [...errors, ...(await executeRemotePurge(plan, options))];
}

/** Each batch is confirmed by a listing, so the batches are large; the removed keys are in memory meanwhile. */
const batchSize = 100_000;

/** The place keeps the file: not an error of the purge, and the next one tries again. */
class Kept {
	readonly reason: string;
	constructor(reason: string) {
		this.reason = reason;
	}
}

/**
 * Creates the removal. It rejects when a storage has given up; everything else is reported to `done`, with each item,
 * and with a directory dump once, when all of it is removed.
 */
function createRemoval(storage: Storage, signal: AbortSignal, done: (item: PlannedItem, error?: unknown) => boolean) {
	let batch: PlannedItem[] = [];
	const failed = new Set<string>();

	async function remove(keys: readonly string[]): Promise<Map<string, unknown>> {
		const errors = new Map<string, unknown>();
		try {
			for (const {key, error, kept} of await storage.remove(keys, {signal})) {
				if (kept !== undefined) errors.set(key, new Kept(kept));
				else if (error) errors.set(key, error);
			}
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
		const end = [...errors.values()].find(isExhausted);
		for (const item of items) {
			const error = errors.get(item.path);
			if (!isExhausted(error) && !done(item, error)) failed.add(item.path);
		}
		if (end !== undefined) throw end;
		return failed;
	}

	return {
		flush,
		async add(item: PlannedItem): Promise<void> {
			batch.push(item);
			if (batch.length >= batchSize) await flush();
		},
		/**
		 * Lists it again instead of keeping all its keys. Its table of contents is removed first, directory entries last.
		 */
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
				if (isExhausted(error)) throw error;
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

/** Returns the longest directory that contains all places, as a prefix of keys. */
function commonPlace(options: RemotePurgeOptions): string {
	const texts = options.subjects.flatMap(({subject}) => subjectTexts(subject, options.databases));
	const places = [...texts, subjectText({kind: 'run'})].map(options.directoryOf);
	let common = places[0] ?? '';
	for (const place of places) while (!place.startsWith(common)) common = common.slice(0, -1);
	return common.slice(0, common.lastIndexOf('/') + 1);
}
