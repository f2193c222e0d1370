/** Shows the contents of a dump: facts, and the tree of its objects. */
import type {DumpContents} from '../../core/restore-handle.js';
import {plural} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import type {Console} from '../console.js';
import type {ContentsDialog} from '../dialog.js';
import {clean, type Glyphs} from '../glyphs.js';
import type {Panel} from '../layout/panel.js';
import {wrapWords} from '../layout/wrap.js';
import {blank, type Line, span} from '../text.js';
import type {Typed} from '../typed-keys.js';
import {treeLines} from './draw-what.js';
import type {PanelFrame} from './panel-frame.js';
import {freshTree, treeRows} from './tree.js';
import {typedInTree} from './typed-tree.js';

export function contentsDialog(contents: DumpContents): ContentsDialog {
	return {kind: 'contents', contents, tree: freshTree(contents)};
}

export function typedInContents(c: Console, dialog: ContentsDialog, typed: Typed): void {
	const {contents, tree} = dialog;
	const name = typed.kind === 'key' ? typed.name : '';
	if (!tree.editing) {
		if ((name === 'escape' && tree.filter === '') || name === 'q') return c.ask(undefined);
		if (name === 'y') return c.copy(contents.key);
	}
	const rows = treeRows(contents, tree);
	const isClosed = name === 'enter' && !tree.editing && !tree.open.has(rows[tree.cursor]?.key ?? '');
	const opening: Typed = {kind: 'key', name: isClosed ? 'right' : 'left', text: ''};
	const isToggle = name === 'enter' && !tree.editing && rows[tree.cursor]?.object === undefined;
	const next = typedInTree(tree, rows, isToggle ? opening : typed, Math.max(1, c.size().rows - 8));
	if (next !== undefined) c.ask({...dialog, tree: next});
}

export function contentsPanel({contents, tree}: ContentsDialog, frame: PanelFrame): Panel {
	const {glyphs, width, height} = frame;
	const facts = factLines(contents, glyphs, width).slice(0, Math.max(2, Math.floor(height / 2)));
	const {objects, note} = contents;
	const counted = note === undefined ? plural(objects.length, 'object') : note;
	const head = [...facts, blank, [span(clean(counted, glyphs), 'strong')] as Line];
	const lines = treeLines(tree, treeRows(contents, tree), {...frame, height: Math.max(1, height - head.length)});
	return {
		title: clean(contents.key, glyphs),
		lines: [...head, ...(objects.length === 0 ? [] : lines)],
		keys: tree.editing
			? 'enter keep the filter  esc clear'
			: `${glyphs.upDown} move  enter open  / filter  y copy the name  esc back`,
		tall: true,
	};
}

/** Long values (checksums, keys) are wrapped so that they can be compared. */
function factLines({facts}: DumpContents, glyphs: Glyphs, width: number): readonly Line[] {
	const labels = Math.max(0, ...facts.map(([label]) => cellWidth(clean(label, glyphs))));
	return facts.flatMap(([label, value]) =>
		wrapWords(clean(value, glyphs), Math.max(10, width - labels - 2)).map((piece, index): Line => [
			span(`${fit(index === 0 ? clean(label, glyphs) : '', labels)}  `, 'quiet'),
			span(piece),
		]),
	);
}
