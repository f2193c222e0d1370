/** The three steps of a restore, where, what and plan: the current step and its data. */
import type {RestorePreview} from '../../core/restore.js';
import type {DumpContents, TargetView} from '../../core/restore-handle.js';
import type {Console} from '../console.js';
import type {RestoreDialog} from '../dialog.js';
import {draftKey, requestOf, type RestoreDraft} from './draft.js';
import {fieldsOf} from './fields.js';
import {closedTree, type TreeView} from './tree.js';

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

export function openWizard(c: Console, draft: RestoreDraft): void {
	const field = fieldsOf(draft).findIndex(({name}) => name === 'name');
	c.ask({
		kind: 'restore',
		wizard: {step: 'where', draft, field, tree: closedTree, top: 0, command: commandOf(c, draft)},
	});
}

function commandOf(c: Console, draft: RestoreDraft): string {
	return c.handle.restoreCommand(requestOf(draft));
}

export function currentWizard(c: Console): Wizard | undefined {
	const {dialog} = c.view();
	return dialog?.kind === 'restore' ? dialog.wizard : undefined;
}

/** Changes the open wizard, and keeps its draft. */
export function update(c: Console, patch: Partial<Wizard>): void {
	const {dialog, drafts} = c.view();
	if (dialog?.kind !== 'restore') return;
	const wizard = {...dialog.wizard, ...patch};
	const {draft} = wizard;
	if (patch.draft === undefined) return c.ask({...dialog, wizard});
	c.set({
		dialog: {...dialog, wizard: {...wizard, command: commandOf(c, draft)}},
		drafts: new Map(drafts).set(draftKey(draft.source, draft.mode), draft),
	});
}

/**
 * Runs work while the wizard shows it. When it is closed earlier, or replaced by other work, its signal aborts, and
 * neither `done` nor `failed` is called.
 */
export function waitFor<T>(
	c: Console,
	doing: string,
	work: (signal: AbortSignal) => Promise<T>,
	{done, failed}: {readonly done: (value: T) => void; readonly failed: (error: unknown) => void},
): void {
	const {dialog} = c.view();
	if (dialog?.kind !== 'restore') return;
	const waiting = new AbortController();
	c.ask({...dialog, waiting, wizard: {...dialog.wizard, doing, problem: undefined}});
	const {signal} = waiting;
	const end = (then: () => void) => {
		const now = c.view().dialog;
		if (signal.aborted || now?.kind !== 'restore') return;
		const ended: RestoreDialog = {kind: 'restore', wizard: {...now.wizard, doing: undefined}};
		c.ask(ended);
		then();
	};
	work(signal).then(
		value => end(() => done(value)),
		(error: unknown) => end(() => failed(error)),
	);
}
