/** Prints the fleet for people and for programs. */
import {
	countVerdicts,
	databaseTexts,
	type DatabaseView,
	serverTexts,
	type ServerView,
	type VerdictMarks,
} from '../core/fleet.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {jsonLine} from '../lib/json-line.js';
import {columns} from './server-table.js';

/** Returns the table, with a line for each database when `long`, and a line with counts. */
export function fleetTable(views: readonly ServerView[], marks: VerdictMarks, long: boolean): readonly string[] {
	const header = ['', 'server', 'databases', 'oldest good', 'last backup', 'size', 'proven', ''];
	const rows = views.flatMap(view => [serverRow(view, marks), ...(long ? view.databases.map(databaseRow) : [])]);
	const {failed, warning} = countVerdicts(views);
	const counted = `${plural(views.length, 'server')}: ${failed} failed, ${plural(warning, 'warning')}`;
	return [...columns([header, ...rows]), counted];
}

function serverRow(view: ServerView, marks: VerdictMarks): readonly string[] {
	const {databases, oldest, last, size, proven, reasons} = serverTexts(view);
	return [marks[view.verdict], display(view.server), databases, display(oldest), last, size, proven, display(reasons)];
}

function databaseRow(view: DatabaseView): readonly string[] {
	const {age, error, size, proven, where} = databaseTexts(view);
	return ['', `  ${display(view.database)}`, '', age, display(error), size, proven, display(where)];
}

/** Returns one object per server, one per line. Times are ages in seconds. */
export function fleetRecords(views: readonly ServerView[]): readonly string[] {
	return views.map(view => jsonLine({schema: 1, ...view}));
}
