import type {ListMove} from '../layout/window.js';
import type {Typed} from '../typed-keys.js';

const moves: Readonly<Record<string, ListMove>> = {
	up: 'up',
	k: 'up',
	down: 'down',
	j: 'down',
	pageup: 'pageUp',
	pagedown: 'pageDown',
	'ctrl-u': 'halfUp',
	'ctrl-d': 'halfDown',
	home: 'first',
	g: 'first',
	end: 'last',
	G: 'last',
};

/** Returns the move of a key in a list; undefined for other keys. */
export function listMove(typed: Typed): ListMove | undefined {
	return typed.kind === 'key' ? moves[typed.name] : undefined;
}
