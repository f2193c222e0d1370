/** Every key, once. The footer, the `?` overlay and the README's list are generated from this table. */
import type {Screen} from './view.js';

export type Scope = 'global' | 'lists' | 'jobs' | 'detail' | 'files' | 'logs' | 'fleet';

export type Binding = {
	readonly action: string;
	/** Names as in `keys.ts`. */
	readonly keys: readonly string[];
	/** The keys as shown to people; the first of `keys` when absent. */
	readonly label?: string;
	/** One or two words, for the footer. */
	readonly short: string;
	/** For the help overlay and the README. */
	readonly help: string;
	readonly scope: Scope;
	/** The position in the footer, from 1; a binding without a rank is only in the help. The last are dropped first. */
	readonly rank?: {readonly [S in Screen]?: number};
	/** Changes work or files: always asks first. */
	readonly asks?: boolean;
};

export const keymap = [
	{
		action: 'help',
		keys: ['?', 'f1'],
		label: '?',
		short: 'help',
		help: 'this list',
		scope: 'global',
		rank: {jobs: 2, detail: 2, files: 2, logs: 2, fleet: 2, server: 2},
	},
	{
		action: 'quit',
		keys: ['q'],
		short: 'quit',
		help: 'back; on a main screen leave, with a question while work runs',
		scope: 'global',
		rank: {jobs: 1, files: 1, logs: 1, fleet: 1},
	},
	{
		action: 'escape',
		keys: ['escape'],
		label: 'esc',
		short: 'back',
		help: 'back, or clear the filter',
		scope: 'global',
		rank: {detail: 1, server: 1},
	},
	{
		action: 'nextScreen',
		keys: ['tab'],
		short: 'screen',
		help: 'next screen',
		scope: 'global',
		rank: {jobs: 11, files: 16, logs: 6, fleet: 8},
	},
	{
		action: 'previousScreen',
		keys: ['backtab'],
		label: 'shift-tab',
		short: 'screen',
		help: 'previous screen',
		scope: 'global',
	},
	{action: 'showJobs', keys: ['1'], short: 'jobs', help: 'Jobs', scope: 'global'},
	{action: 'showFiles', keys: ['2'], short: 'files', help: 'Files', scope: 'global'},
	{action: 'showLogs', keys: ['3'], short: 'logs', help: 'Logs', scope: 'global'},
	{action: 'showFleet', keys: ['4'], short: 'fleet', help: 'Fleet, where fleet_prefix is set', scope: 'global'},
	{
		action: 'filter',
		keys: ['/'],
		short: 'filter',
		help: 'filter by a part of the name; ! in front inverts, Esc clears',
		scope: 'global',
		rank: {jobs: 7, files: 10, logs: 3, fleet: 6, server: 4},
	},
	{
		action: 'sort',
		keys: ['s'],
		short: 'sort',
		help: 'sort by the next column',
		scope: 'global',
		rank: {jobs: 12, files: 15, fleet: 7},
	},
	{action: 'reverse', keys: ['S'], short: 'reverse', help: 'reverse the order', scope: 'global'},
	{
		action: 'stream',
		keys: ['L'],
		short: 'log',
		help: 'leave the screen for the plain log, and return',
		scope: 'global',
		rank: {jobs: 9, detail: 7, logs: 7},
	},
	{action: 'redraw', keys: ['ctrl-l'], short: 'redraw', help: 'draw the screen again', scope: 'global'},
	{
		action: 'refresh',
		keys: ['f5', 'ctrl-r'],
		label: 'F5',
		short: 'refresh',
		help: 'in Files, in Fleet and before anything was started: read again',
		scope: 'global',
		rank: {files: 9, fleet: 5, server: 5},
	},
	{
		action: 'interrupt',
		keys: ['ctrl-c'],
		short: 'cancel',
		help: 'cancel the work, after a question; a second one cancels at once',
		scope: 'global',
	},
	{action: 'up', keys: ['up', 'k'], label: '↑ k', short: 'move', help: 'up', scope: 'lists'},
	{
		action: 'down',
		keys: ['down', 'j'],
		label: '↓ j',
		short: 'move',
		help: 'down',
		scope: 'lists',
		rank: {jobs: 10, detail: 6, files: 17, logs: 8, fleet: 9, server: 6},
	},
	{action: 'pageUp', keys: ['pageup'], label: 'PgUp', short: 'page', help: 'a page up', scope: 'lists'},
	{action: 'pageDown', keys: ['pagedown'], label: 'PgDn', short: 'page', help: 'a page down', scope: 'lists'},
	{action: 'halfUp', keys: ['ctrl-u'], short: 'half', help: 'half a page up', scope: 'lists'},
	{action: 'halfDown', keys: ['ctrl-d'], short: 'half', help: 'half a page down', scope: 'lists'},
	{
		action: 'first',
		keys: ['g', 'home'],
		label: 'g g, Home',
		short: 'first',
		help: 'first row (in Files: Home)',
		scope: 'lists',
	},
	{
		action: 'last',
		keys: ['G', 'end'],
		label: 'G, End',
		short: 'end',
		help: 'last row; in Logs: follow',
		scope: 'lists',
		rank: {logs: 5},
	},
	{
		action: 'open',
		keys: ['enter'],
		short: 'open',
		help: 'open: detail of a job, files of a run, inside of a dump, databases of a server, dumps of a database',
		scope: 'lists',
		rank: {jobs: 3, files: 4, fleet: 3, server: 7},
	},
	{
		action: 'copy',
		keys: ['y'],
		short: 'copy',
		help: 'copy the name, path or error (OSC 52)',
		scope: 'lists',
		rank: {detail: 3, files: 18, logs: 11, fleet: 10, server: 8},
	},
	{
		action: 'cancelJob',
		keys: ['x'],
		short: 'cancel',
		help: 'cancel this job; the others go on',
		scope: 'jobs',
		asks: true,
		rank: {jobs: 4, detail: 4},
	},
	{
		action: 'retryJob',
		keys: ['r'],
		short: 'retry',
		help: 'run a failed or cancelled job again',
		scope: 'jobs',
		rank: {jobs: 5, detail: 5},
	},
	{
		action: 'nextError',
		keys: ['e'],
		short: 'next error',
		help: 'go to the next failure, or to a dump that others wait behind',
		scope: 'jobs',
		rank: {jobs: 6},
	},
	{
		action: 'backup',
		keys: ['b'],
		short: 'back up',
		help: 'start a backup: choose databases, see the plan',
		scope: 'jobs',
		rank: {jobs: 8},
	},
	{action: 'toggleWrap', keys: ['w'], short: 'wrap', help: 'wrap long lines', scope: 'logs', rank: {logs: 4}},
	{
		action: 'toggleTimes',
		keys: ['t'],
		short: 'times',
		help: 'show the time of each line',
		scope: 'logs',
		rank: {logs: 9},
	},
	{action: 'toggleFull', keys: ['f'], short: 'full', help: 'nothing but the log', scope: 'logs', rank: {logs: 10}},
	{
		action: 'mark',
		keys: ['space'],
		short: 'mark',
		help: 'mark a file, or all files of a run',
		scope: 'files',
		rank: {files: 3},
	},
	{action: 'markAll', keys: ['a'], short: 'all', help: 'mark all that the filter shows', scope: 'files'},
	{action: 'markNone', keys: ['A'], short: 'none', help: 'mark none', scope: 'files'},
	{
		action: 'download',
		keys: ['d'],
		short: 'download',
		help: 'download, decrypt and verify what is marked',
		scope: 'files',
		rank: {files: 5},
	},
	{action: 'decrypt', keys: ['t'], short: 'decrypt', help: 'decrypt what is marked', scope: 'files', rank: {files: 11}},
	{
		action: 'verify',
		keys: ['v'],
		short: 'verify',
		help: 'verify checksums and contents',
		scope: 'files',
		rank: {files: 12},
	},
	{
		action: 'restore',
		keys: ['R'],
		short: 'restore',
		help: 'restore: for practice, into a new database, some objects, or in place of a database',
		scope: 'files',
		asks: true,
		rank: {files: 6},
	},
	{
		action: 'compareRuns',
		keys: ['c'],
		short: 'compare',
		help: 'compare the marked two runs, or a run with the one before it',
		scope: 'files',
	},
	{action: 'findTable', keys: ['f'], short: 'find table', help: 'find the dumps that hold a table', scope: 'files'},
	{
		action: 'togglePin',
		keys: ['p'],
		short: 'pin',
		help: 'pin a run, so that no purge removes it, or unpin it',
		scope: 'files',
		asks: true,
	},
	{
		action: 'remove',
		keys: ['D'],
		short: 'delete',
		help: 'delete for good: the number of files must be typed, of a last good dump its database',
		scope: 'files',
		asks: true,
		rank: {files: 7},
	},
	{
		action: 'info',
		keys: ['i'],
		short: 'info',
		help: 'look into a dump: databases, date, sizes, tables',
		scope: 'files',
		rank: {files: 13},
	},
	{
		action: 'nextList',
		keys: ['g'],
		short: 'runs/names',
		help: 'dumps, or runs, or names as they are stored',
		scope: 'files',
		rank: {files: 14},
	},
	{
		action: 'previousLocation',
		keys: ['left'],
		label: '←',
		short: 'location',
		help: 'previous location',
		scope: 'files',
	},
	{
		action: 'nextLocation',
		keys: ['right'],
		label: '→',
		short: 'location',
		help: 'next location',
		scope: 'files',
		rank: {files: 8},
	},
	{
		action: 'serverFiles',
		keys: ['f'],
		short: 'files',
		help: 'the dumps of this server in Files',
		scope: 'fleet',
		rank: {fleet: 4, server: 3},
	},
] as const satisfies readonly Binding[];

export type Action = (typeof keymap)[number]['action'] | 'suspend';

const scopes: Readonly<Record<Screen, readonly Scope[]>> = {
	jobs: ['jobs', 'lists', 'global'],
	detail: ['detail', 'jobs', 'lists', 'global'],
	files: ['files', 'lists', 'global'],
	logs: ['logs', 'lists', 'global'],
	fleet: ['fleet', 'lists', 'global'],
	server: ['fleet', 'lists', 'global'],
};

/** Returns the action of a key on a screen: the screen's keys come before those of lists, those before global ones. */
export function actionFor(key: string, screen: Screen): Action | undefined {
	if (key === 'ctrl-z') return 'suspend';
	for (const scope of scopes[screen]) {
		const found = keymap.find((binding: Binding) => binding.scope === scope && binding.keys.includes(key));
		if (found) return found.action;
	}
	return undefined;
}
