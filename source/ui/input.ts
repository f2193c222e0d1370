/** Dispatches a key: to a text field, to the dialog, or to the screen's action. */
import {actions} from './actions/actions.js';
import {typedInDialog} from './actions/dialog-keys.js';
import {typedInFilter} from './actions/filter.js';
import type {Console} from './console.js';
import type {Dialog} from './dialog.js';
import {actionFor} from './keymap.js';
import {takesText} from './restore/typed.js';
import {enter, type Typed} from './typed-keys.js';

export function handleTyped(c: Console, typed: Typed): void {
	const {dialog, editing, screen} = c.view();
	if (typed.kind === 'key' && typed.name === 'ctrl-z') return actions.suspend(c);
	if (dialog !== undefined) typedInDialog(c, dialog, typed);
	else if (editing !== undefined) typedInFilter(c, typed);
	if (dialog !== undefined || editing !== undefined) {
		if (typed.kind === 'paste' && typed.enter && isTextField(dialog)) handleTyped(c, enter);
		return;
	}
	// A paste outside of a text field is a mistake: none of its letters is a command.
	if (typed.kind === 'paste') return c.say('a paste is not a command: press / first to filter by it');
	const action = actionFor(typed.name, screen);
	if (action !== undefined) actions[action](c);
}

/**
 * Returns true for a field that accepts a paste with a final Enter; a question is never answered by one. Without a
 * dialog: the filter.
 */
function isTextField(dialog: Dialog | undefined): boolean {
	if (dialog === undefined) return true;
	if (dialog.kind === 'restore') return takesText(dialog.wizard);
	if (dialog.kind === 'contents') return dialog.tree.editing;
	return dialog.kind === 'form' && dialog.fields[dialog.cursor]?.kind !== 'toggle';
}
