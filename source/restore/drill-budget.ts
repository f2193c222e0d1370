/** `--budget`: as many drills as fit into a time, of what was proven longest ago. Night after night, everything gets its turn. */
import type {LocationId} from '../repository/locations.js';
import {openPlace, type Place} from '../repository/place.js';
import {type Proven, readProofs} from '../repository/proofs.js';
import type {RunContext, StoreContext} from '../runs/context.js';
import type {Task} from '../runs/scheduler.js';
import {type DrillPlan, planDrills} from './drill-plan.js';

export type Budget = {
	/** Returns the task as one that does nothing once the time is used; the first task that asks always has time. */
	readonly within: (task: Task) => Task;
	/** False until a first task has begun. */
	readonly isUsed: () => boolean;
};

/** `seconds` from now on. */
export function startBudget(run: Pick<RunContext, 'emit' | 'now'>, seconds: number): Budget {
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
	run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>,
	place: Place,
	plans: readonly DrillPlan[],
): Promise<readonly DrillPlan[]> {
	return orderByDrill(plans, await lastDrills(run, place));
}

/**
 * Returns the time of the last drill of each database that has a dump, in milliseconds since the epoch, the oldest
 * first; 0 for one that was never restored. Throws what opening the place and planning a drill throw.
 */
export async function drillTimes(run: StoreContext, where: LocationId): Promise<readonly number[]> {
	const place = await openPlace(run, where);
	try {
		const {plans} = await planDrills(run, place, {newestOfEach: true});
		const last = await lastDrills(run, place);
		return plans.flatMap(({dumps}) => dumps.map(({database}) => timeOf(last, database))).toSorted((a, b) => a - b);
	} finally {
		await place.close();
	}
}

type Drills = ReadonlyMap<string, number>;

async function lastDrills(run: Pick<RunContext, 'configuration' | 'emit' | 'signal'>, place: Place): Promise<Drills> {
	return newestOf([...(await readProofs(run, place, run.signal)).values()]);
}

/** Returns the time of the newest drill of each database. Pure. */
export function newestOf(proofs: readonly Proven[]): Drills {
	const last = new Map<string, number>();
	for (const {database, time} of proofs.flatMap(({databases}) => databases))
		last.set(database, Math.max(Date.parse(time), last.get(database) ?? 0));
	return last;
}

/** Pure. */
export function orderByDrill(plans: readonly DrillPlan[], last: Drills): readonly DrillPlan[] {
	const of = ({database}: {readonly database: string}) => timeOf(last, database);
	const ordered = plans.map(plan => ({...plan, dumps: plan.dumps.toSorted((a, b) => of(a) - of(b))}));
	const stalest = ({dumps: [first]}: DrillPlan) => (first ? of(first) : Infinity);
	return ordered.toSorted((a, b) => stalest(a) - stalest(b));
}

function timeOf(last: Drills, database: string): number {
	return last.get(database) ?? 0;
}
