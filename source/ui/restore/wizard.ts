/** Opens the wizard of a restore, and changes it. */
import type {Console} from '../console.js';
import type {RestoreDialog} from '../dialog.js';
import {draftKey, requestOf, type RestoreDraft} from './draft.js';
import {fieldsOf} from './fields.js';
import {closedTree} from './tree.js';
import type {Wizard} from './wizard-state.js';

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
