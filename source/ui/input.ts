/** Where a key goes: into a text that is being typed, to the dialog, or to the screen's action. */
import {actions} from './actions/actions.js';
import type {Console} from './console.js';
import {typedInDialog} from './actions/dialog-keys.js';
import {typedInFilter} from './actions/filter.js';
import type {Dialog} from './dialog.js';
import {enter, type Typed} from './keys.js';
import {actionFor} from './keymap.js';

export function handleTyped(c: Console, typed: Typed): void {
	const {dialog, editing, screen} = c.view();
	if (typed.kind === 'key' && typed.name === 'ctrl-z') return actions.suspend(c);
	if (dialog !== undefined) typedInDialog(c, dialog, typed);
	else if (editing !== undefined) typedInFilter(c, typed);
	if (dialog !== undefined || editing !== undefined) {
		if (typed.kind === 'paste' && typed.enter && isTextField(dialog)) handleTyped(c, enter);
		return;
	}
	// A paste outside of a text field is a mistake; none of its letters is a command.
	if (typed.kind === 'paste') return c.say('that looks like a paste: press / first to filter by it');
	const action = actionFor(typed.name, screen);
	if (action !== undefined) actions[action](c);
}

/** What takes a paste, and then also the Enter behind it; a question is never answered by one. Without a dialog: the filter. */
function isTextField(dialog: Dialog | undefined): boolean {
	if (dialog === undefined) return true;
	return dialog.kind === 'form' && dialog.fields[dialog.cursor]?.kind !== 'toggle';
}
