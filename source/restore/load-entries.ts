/** Loads chosen entries of an archive with pg_restore. */
import {writeFile} from 'node:fs/promises';
import {isDatabaseEntry} from '../postgres/database-entry.js';
import type {LoadTracker} from '../progress/load-tracker.js';
import type {JobControl} from '../runs/scheduler.js';
import {loadArchive, type LoadOptions, type LoadTarget} from './load.js';
import {loadSteps} from './load-steps.js';
import type {DatabasePlan} from './restore-plan.js';
import {workPath} from './work-path.js';

/** The options that all calls of pg_restore for one database share. */
export type LoadCommon = {
	readonly role?: string;
	readonly control: JobControl;
	readonly tracker: LoadTracker;
};

type WorkDirectory = {
	/** Private directory for lists. */
	readonly directory: string;
};

/** `entries`: dump IDs; undefined: all. A source is read even if there are none. */
export async function loadEntries(
	context: LoadTarget & WorkDirectory,
	plan: DatabasePlan,
	{
		entries,
		...load
	}: Omit<LoadCommon, 'tracker'> & Omit<LoadOptions, 'list'> & {readonly entries: readonly number[] | undefined},
): Promise<void> {
	if (entries?.length === 0 && !load.source) return;
	const steps = load.jobs > 1 ? loadSteps(plan.prepared.toc?.entries ?? [], entries) : undefined;
	for (const {ids, isSerial} of steps ?? [{ids: entries, isSerial: false}]) {
		const list = await writeList(context, {...plan, entries: ids});
		await loadArchive(context, plan, {...load, list, jobs: isSerial ? 1 : load.jobs});
	}
}

/** Writes a list for pg_restore -L, which reads only the first number of a line. */
export async function writeList(
	{directory}: WorkDirectory,
	{entries, prepared, target}: DatabasePlan,
): Promise<string | undefined> {
	if (!entries || !prepared.toc) return undefined;
	const ours = new Set(prepared.toc.entries.filter(isDatabaseEntry).map(entry => entry.dumpId));
	const lines = entries.filter(id => !ours.has(id)).map(id => `${id};\n`);
	// Several may be in use at the same time, of other entries.
	const path = workPath(directory, `${target}\0${lines.join('')}`, 'list');
	await writeFile(path, lines.join(''), {mode: 0o600});
	return path;
}
