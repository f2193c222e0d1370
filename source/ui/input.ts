/** Where a key goes: into a text that is being typed, to the dialog, or to the screen's action. */
import {actions} from './actions/actions.js';
import type {Console} from './console.js';
import {typedInDialog} from './actions/dialog-keys.js';
import {typedInFilter} from './actions/filter.js';
import type {Typed} from './keys.js';
import {actionFor} from './keymap.js';

export function handleTyped(c: Console, typed: Typed): void {
	const {dialog, editing, screen} = c.view();
	if (typed.kind === 'key' && typed.name === 'ctrl-z') return actions.suspend(c);
	if (dialog !== undefined) return typedInDialog(c, dialog, typed);
	if (editing !== undefined) return typedInFilter(c, typed);
	// A paste outside of a text field is a mistake; none of its letters is a command.
	if (typed.kind === 'paste') return c.say('that looks like a paste: press / first to filter by it');
	const action = actionFor(typed.name, screen);
	if (action !== undefined) actions[action](c);
}
