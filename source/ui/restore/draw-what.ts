/** Formats the second step: the contents of the dump, what is restored of it, and related objects. Pure. */
import type {DumpContents} from '../../core/restore-handle.js';
import {formatBytes, formatCount, plural} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import {clean, type Glyphs} from '../glyphs.js';
import {windowTop} from '../layout/window.js';
import {wrapWords} from '../layout/wrap.js';
import {blank, cutLine, keepEnd, type Line, lineWidth, span, textCursor} from '../text.js';
import type {RestoreDraft, RestoreMode} from './draft.js';
import type {PanelFrame} from './panel-frame.js';
import {type Chosen, chosenOf, kindLabel, type TreeRow, treeRows, type TreeView} from './tree.js';
import type {Wizard} from './wizard-state.js';

/** From this width on related objects are shown at the right of the tree, else below it. */
const besideFrom = 88;
const belowRows = 4;

/** Returns the rows of the tree for a height of the screen; only approximate, for moves by pages. */
export function treeHeight(rows: number, mode: RestoreMode): number {
	return Math.max(1, rows - 9 - (mode === 'objects' ? belowRows : 0));
}

export function whatBody(wizard: Wizard, frame: PanelFrame): readonly Line[] {
	const {draft, contents, tree, doing} = wizard;
	if (draft.source.dumps.length > 1) return databaseLines(wizard, frame);
	if (contents === undefined) return [[span(doing === undefined ? 'not read yet' : '', 'quiet')]];
	if (draft.mode !== 'objects') {
		const rows = draft.values.data === 'yes' ? 'everything, with its rows' : 'the structure only, without rows';
		return [
			[span(`${rows}: ${plural(contents.objects.length, 'object')}`, 'strong')],
			...treeLines(tree, treeRows(contents, tree), {...frame, height: frame.height - 1}),
		];
	}
	return chooserBody(wizard, contents, frame);
}

/** Shows the tree with related objects at its right, or below it if there is no space. */
function chooserBody({draft, tree}: Wizard, contents: DumpContents, frame: PanelFrame): readonly Line[] {
	const {width, height, glyphs} = frame;
	const rows = treeRows(contents, tree);
	const along = alongTexts(contents, draft).map(text => clean(text, glyphs));
	if (width < besideFrom) {
		const below = along.slice(0, belowRows).map((text): Line => [span(text, 'quiet')]);
		const lines = treeLines(tree, rows, {...frame, height: Math.max(1, height - below.length)}, draft);
		return [...lines, ...below].map(line => cutLine(line, width, glyphs.cut));
	}
	const right = Math.floor(width * 0.4);
	const left = width - right - 3;
	const lines = treeLines(tree, rows, {...frame, width: left}, draft);
	const pieces = along.flatMap(text => wrapWords(text, right)).slice(0, height);
	return Array.from({length: Math.max(lines.length, pieces.length)}, (_, index): Line => {
		const line = cutLine(lines[index] ?? blank, left, glyphs.cut);
		const gap = ' '.repeat(left - lineWidth(line));
		return [...line, span(`${gap} ${glyphs.box.side} `, 'quiet'), span(pieces[index] ?? '', 'quiet')];
	});
}

const shownNames = 12;

/** Describes what is restored with the selection, and what is not. */
function alongTexts({included, note}: DumpContents, draft: RestoreDraft): readonly string[] {
	if (note !== undefined) return [note];
	if (draft.ids.size + draft.schemas.size === 0)
		return ['nothing is chosen yet', 'what exists there is never changed, and rows are never merged'];
	const {entries, parts, needed, dependents} = included(draft, draft.dependents);
	const names = (list: readonly string[]) =>
		`${list.slice(0, shownNames).join(', ')}${list.length > shownNames ? ` and ${list.length - shownNames} more` : ''}`;
	const own = parts.map(({kind, count}) => plural(count, kind.toLowerCase(), kindLabel(kind))).join(', ');
	return [
		`${plural(entries, 'entry', 'entries')} come back${own === '' ? '' : `, with ${own}`}`,
		needed.length === 0 ? 'nothing else is needed' : `needed, where it is missing: ${names(needed)}`,
		draft.dependents
			? dependents.length === 0
				? 'nothing depends on it'
				: `depends on it, where it is missing: ${names(dependents)}`
			: 'views and foreign keys that depend on it stay out',
		'stays out: everything else; what exists there is never changed',
	];
}

/** Returns a tree with its cursor; with boxes if objects can be selected. */
export function treeLines(
	tree: TreeView,
	rows: readonly TreeRow[],
	{width, height, glyphs}: PanelFrame,
	chosen?: Chosen,
): readonly Line[] {
	const filter = filterLines(tree, glyphs, width);
	const room = Math.max(1, height - filter.length);
	const cursor = Math.min(tree.cursor, Math.max(0, rows.length - 1));
	const top = windowTop(tree.top, cursor, room, rows.length);
	if (rows.length === 0)
		return [[span(tree.filter === '' ? 'it holds nothing' : 'nothing matches', 'quiet')], ...filter];
	const lines = rows
		.slice(top, top + room)
		.map((row, index) => rowLine(row, {active: top + index === cursor, tree, chosen, width, glyphs}));
	return [...lines, ...filter];
}

type RowOptions = {
	readonly active: boolean;
	readonly tree: TreeView;
	readonly chosen: Chosen | undefined;
	readonly width: number;
	readonly glyphs: Glyphs;
};

const boxes = {all: '[x] ', some: '[-] ', none: '[ ] '} as const;

function rowLine(row: TreeRow, {active, tree, chosen, width, glyphs}: RowOptions): Line {
	const isOpen = tree.filter !== '' || tree.open.has(row.key);
	const sign = row.object === undefined ? `${isOpen ? glyphs.open : glyphs.closed} ` : '  ';
	const state = chosen === undefined ? undefined : chosenOf(row, chosen);
	const box = chosen === undefined ? '' : state === undefined ? '    ' : boxes[state];
	const count = row.object === undefined ? ` ${formatCount(row.objects.length)}` : '';
	const figures = [
		row.rows === undefined ? '' : plural(row.rows, 'row'),
		fit(row.bytes === undefined ? '' : formatBytes(row.bytes), 9, {align: 'right'}),
	].join(' ');
	const lead = `${active ? `${glyphs.pointer} ` : '  '}${'  '.repeat(row.depth)}`;
	const used = lead.length + sign.length + box.length + count.length;
	const right = width >= used + cellWidth(figures) + 12 ? figures : '';
	const room = Math.max(4, width - used - cellWidth(right) - 1);
	const label = fit(clean(row.label, glyphs), Math.min(room, cellWidth(clean(row.label, glyphs))), {
		cut: 'middle',
		mark: glyphs.cut,
	});
	const gap = ' '.repeat(Math.max(0, width - used - cellWidth(label) - cellWidth(right)));
	return [
		span(lead, 'key'),
		span(sign, 'quiet'),
		span(box, state === 'none' ? 'quiet' : 'done'),
		span(label, active || row.depth === 0 ? 'strong' : undefined),
		span(`${count}${gap}${right}`, 'quiet'),
	];
}

function filterLines({filter, editing}: TreeView, glyphs: Glyphs, width: number): readonly Line[] {
	if (!editing && filter === '') return [];
	const value = keepEnd(clean(filter, glyphs), width - 4);
	return [[span('/', 'key'), span(value), ...(editing ? [textCursor] : [])]];
}

function databaseLines({draft, tree}: Wizard, {width, height, glyphs}: PanelFrame): readonly Line[] {
	const {dumps} = draft.source;
	const top = windowTop(0, tree.cursor, height, dumps.length);
	return dumps.slice(top, top + height).map(({database, bytes}, index): Line => {
		const active = top + index === tree.cursor;
		const isChosen = draft.databases.has(database);
		const size = fit(bytes === undefined ? '' : formatBytes(bytes), 10, {align: 'right'});
		return [
			span(active ? `${glyphs.pointer} ` : '  ', 'key'),
			span(isChosen ? boxes.all : boxes.none, isChosen ? 'done' : 'quiet'),
			span(
				fit(clean(database, glyphs), Math.max(4, width - 17), {cut: 'middle', mark: glyphs.cut}),
				active ? 'strong' : undefined,
			),
			span(size, 'quiet'),
		];
	});
}

export function whatKeys({draft, tree}: Wizard, glyphs: Glyphs): string {
	if (tree.editing) return 'enter keep the filter  esc clear';
	const several = draft.source.dumps.length > 1;
	const choosing = several ? '  space choose' : draft.mode === 'objects' ? '  space choose  d dependents' : '';
	const looking = several ? '' : `  ${glyphs.ascii ? 'right' : '→'} open  / filter`;
	return `enter plan${choosing}${looking}  Y copy the command  esc back`;
}
