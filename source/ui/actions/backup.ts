/** Starts a backup: shows the databases, lets the user choose, and shows what will happen. */
import {messageOf} from '../../core/errors.js';
import {plural} from '../../lib/format.js';
import {type Console, isWorking} from '../console.js';
import type {PlanDialog} from '../dialog.js';
import {shownDatabases} from '../layout/plan-panel.js';
import {type ListMove, moveCursor} from '../layout/window.js';
import type {Typed} from '../typed-keys.js';
import {editText} from './edit-text.js';
import {refuses} from './jobs.js';
import {waitIn} from './waiting.js';

const maxFilter = 200;

export function startBackup(c: Console): void {
	if (refuses(c)) return;
	if (c.attached()) return c.say('this is a run of another process: q detaches, then start a backup');
	if (isWorking(c.handle.state())) return c.say('work is running: start a backup when it is done');
	const dialog: PlanDialog = {
		...{kind: 'plan', databases: [], facts: [], marked: new Set(), cursor: 0},
		...{filter: '', isFiltering: false, isChosen: false, command: ''},
	};
	waitIn(c, dialog, () => c.handle.preview([]), {
		done({databases, facts}) {
			const command = c.handle.commandFor({command: 'backup', databases: []});
			c.ask({...dialog, databases, facts, command, marked: new Set(databases.map(one => one.name))});
		},
		failed: error => c.ask({...dialog, problem: messageOf(error)}),
	});
}

export function typedInPlan(c: Console, dialog: PlanDialog, typed: Typed, move: ListMove | undefined): void {
	if (dialog.waiting) return c.ask({...dialog, note: 'the databases are being read: keys count when they are shown'});
	if (dialog.isFiltering) return typedInFilter(c, dialog, typed);
	if (typed.kind === 'paste') return;
	const {marked, cursor} = dialog;
	const shown = shownDatabases(dialog);
	const database = shown[cursor];
	if (typed.name === 'enter') return begin(c, dialog);
	if (typed.name === '/') return c.ask({...dialog, isFiltering: true, note: undefined});
	if (typed.name === 'Y') return c.copy(dialog.command);
	const names = shown.map(one => one.name);
	if (typed.name === 'a') return remark(c, dialog, new Set([...marked, ...names]));
	if (typed.name === 'A') return remark(c, dialog, new Set([...marked].filter(name => !names.includes(name))));
	if (typed.name === 'space' && database !== undefined) {
		const next = new Set(marked);
		if (!next.delete(database.name)) next.add(database.name);
		return remark(c, {...dialog, cursor: Math.min(cursor + 1, shown.length - 1)}, next);
	}
	if (move !== undefined) c.ask({...dialog, cursor: moveCursor(cursor, move, c.size().rows - 8, shown.length)});
}

/** Handles Esc: ends the filter, else closes the dialog. */
export function leavePlan(c: Console, dialog: PlanDialog): void {
	const isFiltered = dialog.isFiltering || dialog.filter !== '';
	c.ask(isFiltered ? {...dialog, filter: '', isFiltering: false, cursor: 0} : undefined);
}

function typedInFilter(c: Console, dialog: PlanDialog, typed: Typed): void {
	if (typed.kind === 'key' && typed.name === 'enter') return c.ask({...dialog, isFiltering: false});
	const filter = editText(dialog.filter, typed, maxFilter);
	if (filter !== dialog.filter) c.ask({...dialog, filter, cursor: 0});
}

/** Updates the facts (destination, size) to the chosen databases. */
function remark(c: Console, dialog: PlanDialog, marked: ReadonlySet<string>): void {
	const databases = marked.size === dialog.databases.length ? [] : [...marked];
	const command = c.handle.commandFor({command: 'backup', databases});
	const next = {...dialog, marked, command, isChosen: true, problem: undefined, note: undefined};
	c.ask(next);
	if (marked.size === 0) return;
	c.handle.preview([...marked], {listRemote: false}).then(
		({facts}) => {
			const now = c.view().dialog;
			if (now?.kind === 'plan' && now.marked === marked) c.ask({...now, facts});
		},
		(error: unknown) => {
			const now = c.view().dialog;
			if (now?.kind === 'plan' && now.marked === marked) c.ask({...now, problem: messageOf(error)});
		},
	);
}

function begin(c: Console, dialog: PlanDialog): void {
	const chosen = dialog.databases.filter(one => dialog.marked.has(one.name)).map(one => one.name);
	if (chosen.length === 0) return c.ask({...dialog, problem: 'no database is marked'});
	// An Enter that was meant for something else must not start a backup of everything.
	if (!dialog.isChosen) {
		const all = chosen.length === 1 ? (chosen[0] ?? '') : `all ${plural(chosen.length, 'database')}`;
		return c.ask({...dialog, isChosen: true, note: `enter again: back up ${all}`});
	}
	c.ask(undefined);
	c.set({screen: 'jobs'});
	// Choosing all of them means the configured ones, with everything else that is configured.
	c.attempt(c.handle.backup(chosen.length === dialog.databases.length ? [] : chosen));
}
