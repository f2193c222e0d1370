/** The purge of the backup directory. */
import type {Stats} from 'node:fs';
import {readdir, stat, unlink} from 'node:fs/promises';
import {join} from 'node:path';
import {contentsNames} from '../core/directory-dump.js';
import {messageOf, PgBackError, toPgBackError} from '../core/errors.js';
import type {Emit} from '../core/events.js';
import {lstatIfThere, removeTree, syncDirectory} from '../lib/files.js';
import {withStats} from '../lib/stat-files.js';
import {directoryForText, parseFileName, type Subject, subjectText, subjectTexts} from './names.js';
import {createOwnership, type HiddenRun, type Ownership} from './ownership.js';
import {readPins} from './pins.js';
import {createPlanner, type Planner} from './planner.js';
import {
	canceledText,
	groupItems,
	isManifest,
	manifestPaths,
	type PlannedItem,
	type PurgeOptions,
	type PurgePlan,
} from './purge-plan.js';

export type LocalPurgeOptions = PurgeOptions & {
	/** The backup directory as configured, including `{dbname}`. */
	readonly directory: string;
	/** Before the run: missing directories will be created. */
	readonly mayBeMissing?: boolean;
	/** Names files that this run creates and removes. */
	readonly runTag: string;
	readonly signal: AbortSignal;
};

export type PurgeErrors = readonly PgBackError[];

/** Plans; changes nothing. `errors` are unreadable directories: their subjects are not in the plan. */
export async function planLocalPurge(options: LocalPurgeOptions): Promise<{plan: PurgePlan; errors: PurgeErrors}> {
	const placeOf = (text: string) => place(directoryForText(options.directory, text));
	const planner = createPlanner(options, placeOf);
	const errors: PgBackError[] = [];
	const hiddenRuns: HiddenRun[] = [];
	const listing: Listing = {
		planner,
		ownership: createOwnership(options.runTag),
		known: new Set((options.records ?? []).flatMap(manifestPaths)),
		hiddenRuns,
	};
	for (const [directory, required] of directoriesOf(options, placeOf)) {
		options.signal.throwIfAborted();
		try {
			await addDirectory(listing, directory);
		} catch (error) {
			const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
			if ((required && !options.mayBeMissing) || !missing)
				errors.push(purgeError(`could not purge ${directory || '.'}`, error));
		}
	}
	const existing = new Set<string>();
	for await (const found of withStats(planner.unlisted(), path => path)) {
		options.signal.throwIfAborted();
		for (const [path, stats] of found) if (stats !== undefined) existing.add(path);
	}
	const pins = await readPins(planner.pins(), options.readPin);
	return {plan: planner.plan('local', {existing, hiddenRuns, pins}), errors};
}

type Listing = {
	readonly planner: Planner;
	readonly ownership: Ownership;
	/** The paths of manifests that were read. */
	readonly known: ReadonlySet<string>;
	/** Those with an unreadable manifest are added. */
	readonly hiddenRuns: HiddenRun[];
};

/** Adds the files of one directory with names of ours. */
async function addDirectory({planner, ownership, known, hiddenRuns}: Listing, directory: string): Promise<void> {
	const names = await readdir(directory === '' ? '.' : directory);
	const pathOf = (name: string) => (parseFileName(name) === undefined ? undefined : directory + name);
	for await (const found of withStats(names, pathOf)) {
		for (const [name, stats] of found) {
			if (stats === undefined) continue; // not ours, or another run has purged it
			const path = directory + name;
			const foreign = await ownership.foreign(stats.uid, directory);
			await addEntry(planner, path, {stats, foreign});
			if (foreign !== undefined || !isManifest(path) || known.has(path)) continue;
			hiddenRuns.push({path, from: parseFileName(name)?.time ?? 0, until: stats.mtimeMs});
		}
	}
}

async function addEntry(
	planner: Planner,
	path: string,
	{stats, foreign}: {readonly stats: Stats; readonly foreign: string | undefined},
): Promise<void> {
	const ours = foreign === undefined ? {} : {foreign};
	if (stats.isDirectory()) {
		planner.add({path, size: 0, directory: true, ...ours});
		if (foreign !== undefined) return; // it need not be readable, and is not counted
		for (const name of contentsNames) {
			const contents = await lstatIfThere(join(path, name));
			if (contents?.isFile()) planner.add({path: `${path}/${name}`, size: contents.size, directory: false});
		}
	} else if (stats.isFile()) planner.add({path, size: stats.size, directory: false, ...ours});
	else if (stats.isSymbolicLink()) planner.add({path, size: await sizeOf(path), directory: false, ...ours});
}

/**
 * Executes a plan: manifests first; files with a manifest that could not be removed are kept. Links are removed, never
 * followed. Returns all errors; the rest is removed nevertheless. Rejects only when `signal` aborts.
 */
export async function executeLocalPurge(
	plan: PurgePlan,
	{emit, signal, tag}: {readonly emit: Emit; readonly signal: AbortSignal; readonly tag: string},
): Promise<PurgeErrors> {
	const errors: PgBackError[] = [];
	const stuck = new Set<string>();
	const {location} = plan;
	let removed = 0;
	for (const decision of plan.decisions) {
		const {record} = decision.group;
		const isStuck = record !== undefined && manifestPaths(record).some(path => stuck.has(path));
		const held = decision.action === 'remove' && isStuck;
		for (const item of groupItems(decision)) {
			if (signal.aborted) {
				for (const {message} of errors) emit({type: 'log', level: 'error', text: message});
				emit({type: 'log', level: 'warn', text: canceledText('the backup directory', removed, plan.decisions)});
			}
			signal.throwIfAborted();
			const {path, action} = item;
			const reason = held ? 'its manifest could not be removed' : item.reason;
			if (held || action === 'keep') {
				emit({type: 'file.kept', path, location, reason});
				continue;
			}
			try {
				await remove(item, tag);
				removed++;
				emit({type: 'file.removed', path, location, reason});
			} catch (error) {
				if (isManifest(path)) stuck.add(path);
				errors.push(purgeError(`could not remove ${path}`, error));
			}
		}
	}
	return errors;
}

/** Plans and executes. */
export async function purgeLocal(options: LocalPurgeOptions & {readonly emit: Emit}): Promise<PurgeErrors> {
	const {plan, errors} = await planLocalPurge(options);
	for (const text of plan.warnings) options.emit({type: 'log', level: 'warn', text});
	return [...errors, ...(await executeLocalPurge(plan, {...options, tag: options.runTag}))];
}

export function purgeError(what: string, error: unknown): PgBackError {
	const cause = toPgBackError(error);
	return new PgBackError(cause.code === 'STORAGE' ? 'STORAGE' : 'PURGE_FAILED', `${what}: ${messageOf(cause)}`, {
		cause: error,
		hint: cause.hint,
	});
}

/**
 * Returns every place once, and whether it must exist: those where 2.x may have put files with unusual names need not.
 */
function directoriesOf(options: LocalPurgeOptions, placeOf: (text: string) => string): Map<string, boolean> {
	const directories = new Map<string, boolean>();
	for (const {subject} of options.subjects) {
		const own = subjectText(subject);
		for (const text of subjectTexts(subject, options.databases)) {
			directories.set(placeOf(text), text === own || directories.get(placeOf(text)) === true);
		}
	}
	const run: Subject = {kind: 'run'};
	const runs = placeOf(subjectText(run));
	if (!directories.has(runs)) directories.set(runs, false);
	return directories;
}

function place(directory: string): string {
	return directory === '.' ? '' : directory === '/' ? '/' : `${directory}/`;
}

/** Returns the size of a link's target; 0 for a dangling link. */
async function sizeOf(path: string): Promise<number> {
	try {
		const stats = await stat(path);
		return stats.isFile() ? stats.size : 0;
	} catch (error) {
		if (['ENOENT', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
		throw error;
	}
}

async function remove({path, directory}: PlannedItem, tag: string): Promise<void> {
	const stats = await lstatIfThere(path);
	if (stats === undefined) return; // another run has purged it
	if (!directory) {
		await unlink(path).catch(ignoreMissing);
		if (isManifest(path)) await syncDirectory(join(path, '..'));
	} else if (stats.isDirectory()) {
		await removeTree(path, tag);
	} else throw new PgBackError('PURGE_FAILED', 'it is no longer a directory');
}

/** Two runs that end at the same time purge the same files. */
function ignoreMissing(error: unknown): void {
	if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
