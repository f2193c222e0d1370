/** Handles keys while a dialog is open. Esc closes it, and does nothing else. */
import type {Console} from '../console.js';
import {
	type ChoiceDialog,
	type Dialog,
	type FormDialog,
	type HelpDialog,
	type InfoDialog,
	isCompleted,
	valuesOf,
} from '../dialog.js';
import {moveCursor} from '../layout/window.js';
import {typedInContents} from '../restore/contents-dialog.js';
import {typedInRestore} from '../restore/typed.js';
import type {Typed} from '../typed-keys.js';
import {leavePlan, typedInPlan} from './backup.js';
import {editText} from './edit-text.js';
import {completeField, setField} from './fields.js';
import {interruptAgain} from './leaving.js';
import {listMove} from './list-move.js';

const maxText = 4096;

export function typedInDialog(c: Console, dialog: Dialog, typed: Typed): void {
	const name = typed.kind === 'key' ? typed.name : '';
	if (name === 'ctrl-c') return interruptAgain(c, dialog);
	if (dialog.kind === 'restore') return typedInRestore(c, dialog, typed);
	if (dialog.kind === 'contents') return typedInContents(c, dialog, typed);
	if (name === 'escape') return dialog.kind === 'plan' ? leavePlan(c, dialog) : c.ask(undefined);
	switch (dialog.kind) {
		case 'choice':
			return typedInChoice(c, dialog, typed);
		case 'form':
			return typedInForm(c, dialog, typed);
		case 'plan':
			return typedInPlan(c, dialog, typed, listMove(typed));
		case 'info':
		case 'help':
			return typedInText(c, dialog, typed, name);
	}
}

function typedInText(c: Console, dialog: InfoDialog | HelpDialog, typed: Typed, name: string): void {
	if (name === 'q' || (dialog.kind === 'help' && name === '?')) return c.ask(undefined);
	if (name === 'y' && dialog.kind === 'info' && dialog.copy !== undefined) return c.copy(dialog.copy);
	const move = listMove(typed);
	if (move === undefined) return;
	const {rows} = c.size();
	const count = dialog.kind === 'info' ? dialog.lines.length : 200;
	c.ask({
		...dialog,
		top: Math.max(0, Math.min(moveCursor(dialog.top, move, rows - 2, count), Math.max(0, count - rows + 2))),
	});
}

function typedInChoice(c: Console, dialog: ChoiceDialog, typed: Typed): void {
	if (typed.kind === 'paste') return;
	const move = listMove(typed);
	if (typed.name === 'enter') {
		const option = dialog.options[dialog.cursor];
		c.ask(undefined);
		return option?.run();
	}
	if (typed.name === 'Y' && dialog.command !== undefined) return c.copy(dialog.command);
	const option = dialog.options.find(one => one.key === typed.name);
	if (option !== undefined) {
		c.ask(undefined);
		return option.run();
	}
	if (typed.name === 'q') return c.ask(undefined);
	if (move !== undefined) c.ask({...dialog, cursor: moveCursor(dialog.cursor, move, 1, dialog.options.length)});
}

function typedInForm(c: Console, dialog: FormDialog, typed: Typed): void {
	if (dialog.waiting) return;
	const name = typed.kind === 'key' ? typed.name : '';
	if (name === 'enter') return dialog.submit(valuesOf(dialog.fields));
	if (name === 'f2' && dialog.command) return c.copy(dialog.command(valuesOf(dialog.fields)));
	const current = dialog.fields[dialog.cursor];
	if (name === 'tab' && current !== undefined && isCompleted(current)) return completeField(c, dialog, current);
	const step = name === 'up' || name === 'backtab' ? -1 : name === 'down' || name === 'tab' ? 1 : 0;
	if (step !== 0)
		return c.ask({...dialog, cursor: (dialog.cursor + step + dialog.fields.length) % dialog.fields.length});
	const field = dialog.fields[dialog.cursor];
	if (field === undefined) return;
	const value = field.kind === 'toggle' ? toggled(field.value, name) : editText(field.value, typed, maxText);
	if (value === field.value) return;
	setField(c, dialog, field, {value, note: undefined});
}

function toggled(value: string, key: string): string {
	if (key === 'y') return 'yes';
	if (key === 'n') return 'no';
	return ['space', 'left', 'right'].includes(key) ? (value === 'yes' ? 'no' : 'yes') : value;
}
