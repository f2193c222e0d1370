/** What keys do while a dialog is open. Esc closes it, and does nothing else. */
import type {Console} from '../console.js';
import type {ChoiceDialog, Dialog, FormDialog} from '../dialog.js';
import {moveCursor, type ListMove} from '../layout/window.js';
import {typedInPlan} from './backup.js';
import type {Typed} from '../keys.js';
import {editText} from './edit-text.js';
import {interruptAgain} from './leaving.js';

const maxText = 4096;

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

export function listMove(typed: Typed): ListMove | undefined {
	return typed.kind === 'key' ? moves[typed.name] : undefined;
}

export function typedInDialog(c: Console, dialog: Dialog, typed: Typed): void {
	const name = typed.kind === 'key' ? typed.name : '';
	if (name === 'ctrl-c') return interruptAgain(c, dialog);
	if (name === 'escape') return c.ask(undefined);
	switch (dialog.kind) {
		case 'choice':
			return typedInChoice(c, dialog, typed);
		case 'form':
			return typedInForm(c, dialog, typed);
		case 'plan':
			return typedInPlan(c, dialog, typed, listMove(typed));
		case 'info':
		case 'help': {
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
	}
}

function typedInChoice(c: Console, dialog: ChoiceDialog, typed: Typed): void {
	if (typed.kind === 'paste') return;
	const move = listMove(typed);
	if (typed.name === 'enter') {
		const option = dialog.options[dialog.cursor];
		c.ask(undefined);
		return option?.run();
	}
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
	if (name === 'enter') return dialog.submit(Object.fromEntries(dialog.fields.map(field => [field.name, field.value])));
	const step = name === 'up' || name === 'backtab' ? -1 : name === 'down' || name === 'tab' ? 1 : 0;
	if (step !== 0)
		return c.ask({...dialog, cursor: (dialog.cursor + step + dialog.fields.length) % dialog.fields.length});
	const field = dialog.fields[dialog.cursor];
	if (field === undefined) return;
	const value = field.kind === 'toggle' ? toggled(field.value, name) : editText(field.value, typed, maxText);
	if (value === field.value) return;
	c.ask({...dialog, problem: undefined, fields: dialog.fields.map(one => (one === field ? {...one, value} : one))});
}

function toggled(value: string, key: string): string {
	if (key === 'y') return 'yes';
	if (key === 'n') return 'no';
	return ['space', 'left', 'right'].includes(key) ? (value === 'yes' ? 'no' : 'yes') : value;
}
