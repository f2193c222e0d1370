/** The purge of the backup directory. */
import {readdir, rm, stat, unlink} from 'node:fs/promises';
import {join} from 'node:path';
import type {Emit} from '../core/events.js';
import {messageOf, PgBackError, toPgBackError} from '../core/errors.js';
import {lstatIfThere, syncDirectory} from '../lib/files.js';
import {directoryForText, parseFileName, subjectText, subjectTexts, type Subject} from './names.js';
import {
	createPlanner,
	groupItems,
	isManifest,
	type PlannedItem,
	contentsNames,
	type PurgeOptions,
	type PurgePlan,
} from './purge-plan.js';

export type LocalPurgeOptions = PurgeOptions & {
	/** The backup directory as configured, `{dbname}` and all. */
	readonly directory: string;
	readonly signal: AbortSignal;
};

export type PurgeErrors = readonly PgBackError[];

/** Looks only. `errors` are directories that could not be read: their subjects are not in the plan. */
export async function planLocalPurge(options: LocalPurgeOptions): Promise<{plan: PurgePlan; errors: PurgeErrors}> {
	const placeOf = (text: string) => place(directoryForText(options.directory, text));
	const planner = createPlanner(options, placeOf);
	const errors: PgBackError[] = [];
	for (const [directory, required] of directoriesOf(options, placeOf)) {
		options.signal.throwIfAborted();
		try {
			for (const entry of await readdir(directory === '' ? '.' : directory, {withFileTypes: true})) {
				if (parseFileName(entry.name) === undefined) continue;
				const path = directory + entry.name;
				if (entry.isDirectory()) {
					planner.add({path, size: 0, directory: true});
					for (const name of contentsNames) {
						const contents = await lstatIfThere(join(path, name));
						if (contents?.isFile()) planner.add({path: `${path}/${name}`, size: contents.size, directory: false});
					}
				} else if (entry.isFile() || entry.isSymbolicLink()) {
					planner.add({path, size: await sizeOf(path), directory: false});
				}
			}
		} catch (error) {
			const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
			if (required || !missing) errors.push(purgeError(`could not purge ${directory || '.'}`, error));
		}
	}
	const exists = async (path: string) => (await lstatIfThere(path)) !== undefined;
	return {plan: await planner.plan('local', exists), errors};
}

/**
 * Carries a plan out: manifests first, and files whose manifest would not go stay. Links are removed, never followed. All
 * errors are returned; the rest is removed all the same. Rejects only when `signal` aborts.
 */
export async function executeLocalPurge(
	plan: PurgePlan,
	{emit, signal}: {readonly emit: Emit; readonly signal: AbortSignal},
): Promise<PurgeErrors> {
	const errors: PgBackError[] = [];
	const stuck = new Set<string>();
	const {location} = plan;
	for (const decision of plan.decisions) {
		const manifest = decision.group.record?.path;
		const held = decision.action === 'remove' && manifest !== undefined && stuck.has(manifest);
		for (const item of groupItems(decision)) {
			signal.throwIfAborted();
			const {path, action} = item;
			const reason = held ? 'its manifest could not be removed' : item.reason;
			if (held || action === 'keep') {
				emit({type: 'file.kept', path, location, reason});
				continue;
			}
			try {
				await remove(item);
				emit({type: 'file.removed', path, location, reason});
			} catch (error) {
				if (isManifest(path)) stuck.add(path);
				errors.push(purgeError(`could not remove ${path}`, error));
			}
		}
	}
	return errors;
}

/** Plans and carries out. */
export async function purgeLocal(options: LocalPurgeOptions & {readonly emit: Emit}): Promise<PurgeErrors> {
	const {plan, errors} = await planLocalPurge(options);
	return [...errors, ...(await executeLocalPurge(plan, options))];
}

export function purgeError(what: string, error: unknown): PgBackError {
	const cause = toPgBackError(error);
	return new PgBackError(cause.code === 'STORAGE' ? 'STORAGE' : 'PURGE_FAILED', `${what}: ${messageOf(cause)}`, {
		cause: error,
		hint: cause.hint,
	});
}

/** Every place once, and whether it has to be there: where 2.x may have put files of an awkward name need not be. */
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

/** Of what a link points to; a link to nowhere holds nothing. */
async function sizeOf(path: string): Promise<number> {
	try {
		const stats = await stat(path);
		return stats.isFile() ? stats.size : 0;
	} catch (error) {
		if (['ENOENT', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
		throw error;
	}
}

async function remove({path, directory}: PlannedItem): Promise<void> {
	const stats = await lstatIfThere(path);
	if (stats === undefined) return; // another run has purged it
	if (!directory) {
		await unlink(path).catch(ignoreMissing);
		if (isManifest(path)) await syncDirectory(join(path, '..'));
	} else if (stats.isDirectory()) {
		// Without its table of contents a directory that is half removed is no dump.
		for (const name of contentsNames) await rm(join(path, name), {force: true});
		await rm(path, {recursive: true, force: true});
	} else throw new PgBackError('PURGE_FAILED', 'it is no longer a directory');
}

/** Two runs that end at the same time purge the same files. */
function ignoreMissing(error: unknown): void {
	if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
