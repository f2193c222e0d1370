/** Starting a backup: the databases that there are, which of them, and what will happen. */
import {messageOf} from '../../core/errors.js';
import {isWorking, type Console} from '../console.js';
import type {PlanDialog} from '../dialog.js';
import type {Typed} from '../keys.js';
import {moveCursor, type ListMove} from '../layout/window.js';
import {refuses} from './jobs.js';
import {waitIn} from './waiting.js';

export function startBackup(c: Console): void {
	if (refuses(c)) return;
	if (isWorking(c.handle.state())) return c.say('work is running: start a backup when it is done');
	const dialog: PlanDialog = {kind: 'plan', databases: [], facts: [], marked: new Set(), cursor: 0};
	waitIn(
		c,
		dialog,
		() => c.handle.preview([]),
		({databases, facts}) => c.ask({...dialog, databases, facts, marked: new Set(databases.map(one => one.name))}),
		error => c.ask({...dialog, problem: messageOf(error)}),
	);
}

export function typedInPlan(c: Console, dialog: PlanDialog, typed: Typed, move: ListMove | undefined): void {
	if (typed.kind === 'paste') return;
	const {databases, marked, cursor} = dialog;
	const database = databases[cursor];
	if (typed.name === 'enter') return begin(c, dialog);
	if (typed.name === 'a') return remark(c, dialog, new Set(databases.map(one => one.name)));
	if (typed.name === 'A') return remark(c, dialog, new Set());
	if (typed.name === 'space' && database !== undefined) {
		const next = new Set(marked);
		if (!next.delete(database.name)) next.add(database.name);
		return remark(c, {...dialog, cursor: Math.min(cursor + 1, databases.length - 1)}, next);
	}
	if (move !== undefined) c.ask({...dialog, cursor: moveCursor(cursor, move, c.size().rows - 8, databases.length)});
}

/** The facts (where to, how much) follow what is chosen. */
function remark(c: Console, dialog: PlanDialog, marked: ReadonlySet<string>): void {
	const next = {...dialog, marked, problem: undefined};
	c.ask(next);
	if (marked.size === 0) return;
	c.handle.preview([...marked]).then(
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
	if (dialog.waiting) return;
	const chosen = dialog.databases.filter(one => dialog.marked.has(one.name)).map(one => one.name);
	if (chosen.length === 0) return c.ask({...dialog, problem: 'no database is marked'});
	c.ask(undefined);
	c.set({screen: 'jobs'});
	// All of them is what the configuration says, with what else it asks for.
	c.attempt(c.handle.backup(chosen.length === dialog.databases.length ? [] : chosen));
}
