import type {Tool} from '../postgres/tools.js';
import type {ProvenDatabase} from '../repository/proofs.js';
import type {DrillPlan} from './drill-plan.js';
import type {DrillTarget} from './drill-target.js';
import type {FillContext} from './fill-context.js';

export type DrillShared = Omit<FillContext, 'target'> & {
	/** Read again when the globals are restored. */
	target: DrillTarget;
	readonly plan: DrillPlan;
	/** All installed ones, oldest first. */
	readonly restores: readonly Tool[];
	readonly proofs: ProvenDatabase[];
};
