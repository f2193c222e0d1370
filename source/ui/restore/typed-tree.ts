/** Handles keys in a tree of objects. */
import {editText} from '../actions/edit-text.js';
import {listMove} from '../actions/list-move.js';
import {moveCursor, windowTop} from '../layout/window.js';
import type {Typed} from '../typed-keys.js';
import type {TreeRow, TreeView} from './tree.js';

const maxFilter = 200;

/** Returns the tree after a key; undefined for keys without a meaning here. */
export function typedInTree(
	tree: TreeView,
	rows: readonly TreeRow[],
	typed: Typed,
	height: number,
): TreeView | undefined {
	const name = typed.kind === 'key' ? typed.name : '';
	if (tree.editing) {
		if (name === 'enter') return {...tree, editing: false};
		if (name === 'escape') return {...tree, ...start, editing: false, filter: ''};
		const filter = editText(tree.filter, typed, maxFilter);
		return filter === tree.filter ? undefined : {...tree, ...start, filter};
	}
	if (name === '/') return {...tree, editing: true};
	if (name === 'escape') return tree.filter === '' ? undefined : {...tree, ...start, filter: ''};
	const row = rows[tree.cursor];
	if (name === 'right' || name === 'left') return row === undefined ? undefined : opened(tree, rows, row, name);
	const move = listMove(typed);
	if (move === undefined) return undefined;
	const cursor = moveCursor(tree.cursor, move, height, rows.length);
	return {...tree, cursor, top: windowTop(tree.top, cursor, height, rows.length)};
}

const start = {cursor: 0, top: 0};

/** Right opens; left closes, or moves to the parent row. */
function opened(tree: TreeView, rows: readonly TreeRow[], row: TreeRow, key: 'left' | 'right'): TreeView | undefined {
	const isOpen = tree.open.has(row.key);
	if (row.object === undefined && isOpen !== (key === 'right')) {
		const open = new Set(tree.open);
		if (key === 'right') open.add(row.key);
		else open.delete(row.key);
		return {...tree, open};
	}
	if (key === 'right') return undefined;
	const parent = rows.slice(0, tree.cursor).findLastIndex(({depth}) => depth < row.depth);
	return parent < 0 ? undefined : {...tree, cursor: parent, top: Math.min(tree.top, parent)};
}
