/** Loads an archive with several processes of pg_restore. */
import {writeFile} from 'node:fs/promises';
import type {JobControl} from '../runs/scheduler.js';
import type {FillContext} from './fill-database.js';
import {loadArchive, type LoadOptions} from './load.js';
import {loadSteps} from './load-steps.js';
import type {DatabasePlan} from './restore-plan.js';
import {workPath} from './work-path.js';

/**
 * Like `loadArchive`, in several calls where processes would wait for each other. `entries`: the dump IDs that
 * `load.list` names; undefined: all.
 */
export async function loadByJobs(
	context: FillContext,
	plan: DatabasePlan,
	{entries, ...load}: LoadOptions & {readonly control: JobControl; readonly entries: readonly number[] | undefined},
): Promise<void> {
	const steps = load.jobs > 1 ? loadSteps(plan.prepared.toc?.entries ?? [], entries) : undefined;
	if (!steps) {
		await loadArchive(context, plan, load);
		return;
	}
	for (const [index, {ids, isSerial}] of steps.entries()) {
		const list = workPath(context.directory, plan.target, `step${index}.list`);
		await writeFile(list, ids.map(id => `${id};\n`).join(''), {mode: 0o600});
		await loadArchive(context, plan, {...load, list, jobs: isSerial ? 1 : load.jobs});
	}
}
