/** The three steps of a restore, where, what and plan: the current step and its data. */
import type {RestorePreview} from '../../core/restore.js';
import type {DumpContents, TargetView} from '../../core/restore-handle.js';
import type {RestoreDraft} from './draft.js';
import type {TreeView} from './tree.js';

export const steps = ['where', 'what', 'plan'] as const;

export type Step = (typeof steps)[number];

export type Wizard = {
	readonly step: Step;
	readonly draft: RestoreDraft;
	/** The field under the cursor. */
	readonly field: number;
	readonly target?: TargetView;
	/** The server of `target`. */
	readonly asked?: string;
	/** Why the server did not respond. */
	readonly targetProblem?: string;
	readonly contents?: DumpContents;
	readonly tree: TreeView;
	readonly preview?: RestorePreview;
	/** The first visible line of the plan. */
	readonly top: number;
	readonly problem?: string;
	/** The work that is being awaited. */
	readonly doing?: string;
	/** The equivalent command line. */
	readonly command: string;
};
