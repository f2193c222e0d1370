/** Handles keys in the steps of a restore. */
import {editText} from '../actions/edit-text.js';
import {listMove} from '../actions/list-move.js';
import type {Console} from '../console.js';
import type {RestoreDialog} from '../dialog.js';
import {type ListMove, moveCursor, windowTop} from '../layout/window.js';
import type {Typed} from '../typed-keys.js';
import type {RestoreValues} from './draft.js';
import {planLines} from './draw-plan.js';
import {treeHeight} from './draw-what.js';
import {type FieldInfo, fieldsOf} from './fields.js';
import {leavePlan} from './start.js';
import {inspectTarget, leaveWhat, leaveWhere, stepBack} from './steps.js';
import {chosenOf, toggleRow, treeRows} from './tree.js';
import {typedInTree} from './typed-tree.js';
import {update} from './wizard.js';
import type {Wizard} from './wizard-state.js';

const maxText = 1000;

export function typedInRestore(c: Console, {wizard}: RestoreDialog, typed: Typed): void {
	const name = typed.kind === 'key' ? typed.name : '';
	if (name === 'f2') return c.copy(wizard.command);
	if (wizard.step === 'where') return typedInWhere(c, wizard, typed);
	if (wizard.step === 'what') return typedInWhat(c, wizard, typed);
	return typedInPlan(c, wizard, typed);
}

/** Returns whether the field accepts a paste. */
export function takesText({step, draft, field, tree}: Wizard): boolean {
	if (step === 'where') return fieldsOf(draft)[field]?.choices === undefined;
	return step === 'plan' ? draft.mode === 'replace' : tree.editing;
}

function typedInWhere(c: Console, wizard: Wizard, typed: Typed): void {
	const {draft, field} = wizard;
	const fields = fieldsOf(draft);
	const info = fields[field];
	const name = typed.kind === 'key' ? typed.name : '';
	if (name === 'escape') return stepBack(c);
	if (name === 'enter') return leaveWhere(c);
	const step = name === 'up' || name === 'backtab' ? -1 : name === 'down' || name === 'tab' ? 1 : 0;
	if (step !== 0) {
		update(c, {field: (field + step + fields.length) % fields.length, problem: undefined});
		if (info !== undefined && ['host', 'port', 'user'].includes(info.name)) inspectTarget(c);
		return;
	}
	if (info === undefined) return;
	const value = info.choices ? cycled(info, draft.values, name) : editText(draft.values[info.name], typed, maxText);
	if (value === undefined) return name === 'Y' ? c.copy(wizard.command) : undefined;
	if (value !== draft.values[info.name])
		update(c, {draft: {...draft, typed: '', values: {...draft.values, [info.name]: value}}, problem: undefined});
}

/** Returns undefined for a key that selects nothing. */
function cycled({name: field, choices = []}: FieldInfo, values: RestoreValues, name: string): string | undefined {
	const step = name === 'space' || name === 'right' ? 1 : name === 'left' ? -1 : 0;
	if (step === 0) return undefined;
	const at = choices.indexOf(values[field]);
	return choices[(at + step + choices.length) % choices.length];
}

function typedInWhat(c: Console, wizard: Wizard, typed: Typed): void {
	const {draft, tree, contents} = wizard;
	const name = typed.kind === 'key' ? typed.name : '';
	if (!tree.editing) {
		if (name === 'escape' && tree.filter === '') return stepBack(c);
		if (name === 'enter') return leaveWhat(c);
		if (name === 'Y') return c.copy(wizard.command);
	}
	if (draft.source.dumps.length > 1) return typedInDatabases(c, wizard, typed);
	if (contents === undefined) return;
	if (!tree.editing && draft.mode === 'objects') {
		if (name === 'd') return update(c, {draft: {...draft, dependents: !draft.dependents}});
		if (name === 'space') return choose(c, wizard);
	}
	const next = typedInTree(tree, treeRows(contents, tree), typed, treeHeight(c.size().rows, draft.mode));
	if (next !== undefined) update(c, {tree: next, problem: undefined});
}

function choose(c: Console, wizard: Wizard): void {
	const {draft, tree, contents} = wizard;
	if (contents === undefined) return;
	const rows = treeRows(contents, tree);
	const row = rows[tree.cursor];
	if (row === undefined) return;
	const next = chosenOf(row, draft) === undefined ? undefined : toggleRow(row, draft);
	if (next === undefined) return update(c, {problem: 'this comes only with its schema, or with what needs it'});
	const objects = new Map(contents.objects.filter(({id}) => next.ids.has(id)).map(object => [object.id, object]));
	const cursor = Math.min(rows.length - 1, tree.cursor + 1);
	const top = windowTop(tree.top, cursor, treeHeight(c.size().rows, draft.mode), rows.length);
	update(c, {draft: {...draft, ...next, objects}, tree: {...tree, cursor, top}, problem: undefined});
}

/** Selects which of several databases are restored. */
function typedInDatabases(c: Console, wizard: Wizard, typed: Typed): void {
	const {draft, tree} = wizard;
	const {dumps} = draft.source;
	const name = typed.kind === 'key' ? typed.name : '';
	const move = listMove(typed);
	const cursor = (step: ListMove) => moveCursor(tree.cursor, step, treeHeight(c.size().rows, draft.mode), dumps.length);
	const database = dumps[tree.cursor]?.database;
	if (name === 'space' && database !== undefined) {
		const databases = new Set(draft.databases);
		if (!databases.delete(database)) databases.add(database);
		return update(c, {
			draft: {...draft, databases, typed: ''},
			tree: {...tree, cursor: cursor('down')},
			problem: undefined,
		});
	}
	if (move !== undefined) update(c, {tree: {...tree, cursor: cursor(move)}});
}

function typedInPlan(c: Console, wizard: Wizard, typed: Typed): void {
	const {draft, top} = wizard;
	const name = typed.kind === 'key' ? typed.name : '';
	if (name === 'escape') return stepBack(c);
	if (name === 'enter') return leavePlan(c);
	const isTyping = draft.mode === 'replace';
	const move = isTyping && !['up', 'down', 'pageup', 'pagedown'].includes(name) ? undefined : listMove(typed);
	if (move !== undefined) {
		const {columns, rows} = c.size();
		const count = planLines(wizard, c.glyphs, columns - 8).length;
		const height = Math.max(1, rows - 8);
		return update(c, {top: Math.max(0, Math.min(moveCursor(top, move, height, count), count - height))});
	}
	if (!isTyping) return name === 'Y' ? c.copy(wizard.command) : undefined;
	const text = editText(draft.typed, typed, maxText);
	if (text !== draft.typed) update(c, {draft: {...draft, typed: text}, problem: undefined});
}
