import type {Console} from '../console.js';
import type {Typed} from '../typed-keys.js';
import {filteredBy} from '../view.js';
import {editText} from './edit-text.js';
import {rearrange} from './files-view.js';

/** Filters are short: a pasted log must not become one. */
const maxFilter = 200;

export function currentFilter(c: Console): string {
	return filteredBy(c.view());
}

export function setFilter(c: Console, filter: string): void {
	const {screen} = c.view();
	if (screen === 'files') {
		c.setFiles({filter});
		rearrange(c);
	} else if (screen === 'logs') c.setLogs({filter, cursor: undefined, top: 0});
	else if (screen === 'fleet') c.setFleet({filter, top: 0});
	else if (screen === 'server') c.setServer({filter, top: 0});
	else c.setJobs({filter, top: 0});
}

export function startFilter(c: Console): void {
	if (c.view().screen === 'detail') return;
	c.set({editing: {before: currentFilter(c)}});
}

/** Handles keys in the filter: only Enter, Esc, Backspace and Ctrl-U are special. */
export function typedInFilter(c: Console, typed: Typed): void {
	if (typed.kind === 'key' && typed.name === 'enter') return c.set({editing: undefined});
	if (typed.kind === 'key' && (typed.name === 'escape' || typed.name === 'ctrl-c')) {
		c.set({editing: undefined});
		return setFilter(c, '');
	}
	const before = currentFilter(c);
	const filter = editText(before, typed, maxFilter);
	if (filter !== before) setFilter(c, filter);
}
