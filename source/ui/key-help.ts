/** The key table as people read it: the footer, the `?` overlay and the README's list. */
import {type Binding, keymap, type Scope} from './keymap.js';
import type {Screen} from './view.js';

/** Returns the keys of a footer, the most important first. */
export function footerBindings(screen: Screen): readonly Binding[] {
	const bindings: readonly Binding[] = keymap;
	return bindings
		.filter(binding => binding.rank?.[screen] !== undefined)
		.toSorted((a, b) => (a.rank?.[screen] ?? 0) - (b.rank?.[screen] ?? 0));
}

const scopeTitles: Readonly<Record<Scope, string>> = {
	global: 'Everywhere',
	lists: 'Lists',
	jobs: 'Jobs',
	detail: 'Detail',
	files: 'Files',
	logs: 'Logs',
	fleet: 'Fleet',
};

export type KeyGroup = {
	readonly title: string;
	readonly rows: readonly {readonly label: string; readonly help: string; readonly scope: Scope}[];
};

/** Returns all keys by scope, for the overlay (which begins with `first`) and the README. */
export function keyGroups(ascii = false, first?: Scope): readonly KeyGroup[] {
	const bindings: readonly Binding[] = keymap;
	const all: readonly Scope[] = ['global', 'lists', 'jobs', 'files', 'logs', 'fleet'];
	const order = first === undefined ? all : [first, ...all.filter(scope => scope !== first)];
	return order.map(scope => ({
		title: scopeTitles[scope],
		rows: bindings
			.filter(one => one.scope === scope)
			.map(one => ({label: keyLabel(one, ascii), help: one.help, scope})),
	}));
}

export function keyLabel(binding: Binding, ascii = false): string {
	const label = binding.label ?? binding.keys[0] ?? '';
	if (!ascii) return label;
	return label.replace('↑', 'up').replace('↓', 'down').replace('←', 'left').replace('→', 'right');
}
