/** `--budget`: as many drills as fit into a time, of what was proven longest ago. Night after night, everything gets its turn. */
import type {Place} from '../repository/place.js';
import {type Proven, readProofs} from '../repository/proofs.js';
import type {RunContext} from '../runs/context.js';
import type {Task} from '../runs/scheduler.js';
import type {DrillPlan} from './drill-plan.js';

export type Budget = {
	/** Returns the task as one that does nothing once the time is used; the first task that asks always has time. */
	readonly within: (task: Task) => Task;
	/** False until a first task has begun. */
	readonly isUsed: () => boolean;
};

/** `seconds` from now on. */
export function startBudget(run: RunContext, seconds: number): Budget {
	const deadline = run.now().getTime() + seconds * 1000;
	let hasBegun = false;
	const isUsed = () => hasBegun && run.now().getTime() > deadline;
	return {
		isUsed,
		within: task => ({
			...task,
			async run(control) {
				if (isUsed()) {
					run.emit({type: 'job.result', job: control.id, result: 'skipped', detail: 'the time of --budget is used'});
					return;
				}
				hasBegun = true;
				await task.run(control);
			},
		}),
	};
}

/** Puts the plans, and the dumps of each, into the order in which their databases were last restored; those that never were are first. */
export async function stalestFirst(
	run: RunContext,
	place: Place,
	plans: readonly DrillPlan[],
): Promise<readonly DrillPlan[]> {
	return orderByProof(plans, [...(await readProofs(run, place, run.signal)).values()]);
}

/** Pure. */
export function orderByProof(plans: readonly DrillPlan[], proofs: readonly Proven[]): readonly DrillPlan[] {
	const last = new Map<string, number>();
	for (const {database, time} of proofs.flatMap(({databases}) => databases))
		last.set(database, Math.max(Date.parse(time), last.get(database) ?? 0));
	const timeOf = ({database}: {readonly database: string}) => last.get(database) ?? 0;
	const ordered = plans.map(plan => ({...plan, dumps: plan.dumps.toSorted((a, b) => timeOf(a) - timeOf(b))}));
	const stalest = ({dumps: [first]}: DrillPlan) => (first ? timeOf(first) : Infinity);
	return ordered.toSorted((a, b) => stalest(a) - stalest(b));
}
