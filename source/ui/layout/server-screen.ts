/** Formats the screen of one server of the fleet: its state, and its databases by the age of their good dumps. */
import {databaseTexts, type DatabaseView, serverTexts, type ServerView, verdictMarks} from '../../core/fleet.js';
import {formatCount} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {databaseCursor, databaseRows} from '../fleet/rows.js';
import {clean} from '../glyphs.js';
import {blank, cutLine, type Line, span, spread} from '../text.js';
import {cell, gap} from './cells.js';
import {lastTone, verdictTones} from './fleet-screen.js';
import {windowTop} from './window.js';

export type ServerScreen = {readonly header: readonly Line[]; readonly list: readonly Line[]};

/** Returns the server of the screen; undefined when it is no longer in the fleet. */
export function shownServer({fleet, view}: Pick<Frame, 'fleet' | 'view'>): ServerView | undefined {
	return fleet.servers()?.find(({server}) => server === view.server.server);
}

/** Returns the rows of the list. */
export function serverHeight(server: ServerView, rows: number): number {
	return Math.max(1, rows - headerRows(server, rows) - 1);
}

/** Formats the title, the state, the reasons as far as the list leaves room, and the column headings. */
function headerRows(server: ServerView, rows: number): number {
	return 3 + reasonRows(server, rows) + (rows >= 16 ? 1 : 0);
}

function reasonRows({reasons}: ServerView, rows: number): number {
	return rows >= 12 ? Math.min(reasons.length, 3) : 0;
}

export function serverScreen(frame: Frame): ServerScreen {
	const {view, columns, rows} = frame;
	const server = shownServer(frame);
	if (server === undefined)
		return {header: [[span(' this server is no longer in the fleet', 'quiet')], blank], list: []};
	const all = databaseRows(server, view.server);
	const cursor = databaseCursor(all, view.server);
	const height = serverHeight(server, rows);
	const top = windowTop(view.server.top, cursor, height, all.length);
	const visible = all.slice(top, top + height);
	const plan = planDatabaseColumns(columns - 1, visible, frame);
	const list = visible.map((one, index) => databaseRow(one, top + index === cursor, plan, frame));
	if (all.length === 0)
		list.push([span(view.server.filter === '' ? '   no database is known' : '   nothing matches the filter', 'quiet')]);
	return {header: header(server, all.length, plan, frame), list};
}

function header(
	server: ServerView,
	count: number,
	plan: DatabaseColumns,
	{view, columns, rows, glyphs}: Frame,
): Line[] {
	const {filter} = view.server;
	const known = formatCount(server.databases.length);
	const right = filter === '' ? '' : `${formatCount(count)} of ${known}   filter: ${clean(filter, glyphs)} `;
	const tone = verdictTones[server.verdict];
	const mark = verdictMarks(glyphs.ascii)[server.verdict];
	const reasons = server.reasons.slice(0, reasonRows(server, rows));
	return [
		spread(
			[span(` ${clean(server.server, glyphs)}`, 'title'), span(`  ${mark} ${server.verdict}`, tone ?? 'done')],
			[span(right, 'quiet')],
			columns,
			glyphs.cut,
		),
		cutLine(factsLine(server, glyphs), columns, glyphs.cut),
		...reasons.map(reason => cutLine([span(` ${mark} ${clean(reason, glyphs)}`, tone)], columns, glyphs.cut)),
		...(rows >= 16 ? [blank] : []),
		databaseHeader(plan),
	];
}

function factsLine(server: ServerView, glyphs: Frame['glyphs']): Line {
	const {databases, last, size} = serverTexts(server);
	const dot = span(` ${glyphs.dot} `, 'quiet');
	const {host, serverVersion} = server;
	return [
		span(` ${last === '-' ? 'no backup' : last}`, lastTone(server)),
		...[
			`${databases} ${databases === '1' ? 'database' : 'databases'}, ${size}`,
			...(serverVersion === undefined ? [] : [`PostgreSQL ${clean(serverVersion, glyphs)}`]),
			...(host === undefined ? [] : [`backed up on ${clean(host, glyphs)}`]),
		].flatMap(text => [dot, span(text, 'quiet')]),
	];
}

/** In cells; 0 if the column is hidden. */
type DatabaseColumns = {
	readonly width: number;
	readonly name: number;
	readonly age: number;
	readonly size: number;
	readonly proven: number;
	readonly error: number;
	readonly where: number;
};

const margin = 3;
const most = {name: 40, error: 28} as const;

/** WHERE is hidden first, then PROVEN and SIZE; then the error is cut. */
function planDatabaseColumns(width: number, visible: readonly DatabaseView[], {glyphs}: Frame): DatabaseColumns {
	const longest = (text: (one: DatabaseView) => string) =>
		visible.reduce((longest, one) => Math.max(longest, cellWidth(clean(text(one), glyphs))), 0);
	const errors = Math.min(
		most.error,
		longest(one => databaseTexts(one).error),
	);
	const age = 5;
	const needed = Math.min(10, errors);
	const shortest = 12;
	let left = width - margin - shortest - gap - age - (needed > 0 ? needed + gap : 0);
	const take = (wanted: number) => {
		if (left < wanted + gap) return 0;
		left -= wanted + gap;
		return wanted;
	};
	const size = take(8);
	const proven = take(6);
	const name =
		shortest +
		Math.max(
			0,
			Math.min(
				left,
				Math.min(
					most.name,
					longest(({database}) => database),
				) - shortest,
			),
		);
	left -= name - shortest;
	const error = needed + Math.max(0, Math.min(left, errors - needed));
	left -= error - needed;
	return {width, name, age, size, proven, error, where: left < 16 + gap ? 0 : left - gap};
}

function databaseHeader(plan: DatabaseColumns): Line {
	const tone = 'quiet';
	return [
		span(`${' '.repeat(margin)}${fit('DATABASE', plan.name)}`, tone),
		...cell('AGE', plan.age, {align: 'right', tone}),
		...cell('SIZE', plan.size, {align: 'right', tone}),
		...cell('PROVEN', plan.proven, {align: 'right', tone}),
		...cell('LAST BACKUP', plan.error, {tone}),
		...cell('WHERE', plan.where, {tone}),
	];
}

function databaseRow(one: DatabaseView, active: boolean, plan: DatabaseColumns, {glyphs}: Frame): Line {
	const {age, error, size, proven, where} = databaseTexts(one);
	const mark = glyphs.cut;
	return cutLine(
		[
			span(active ? ` ${glyphs.pointer} ` : '   ', 'key'),
			span(
				fit(clean(one.database, glyphs), plan.name, {cut: 'middle', mark}),
				active ? 'strong' : one.age === undefined ? 'failed' : undefined,
			),
			...cell(age, plan.age, {align: 'right', tone: one.age === undefined ? 'failed' : undefined}),
			...cell(size, plan.size, {align: 'right'}),
			...cell(proven, plan.proven, {align: 'right', tone: one.proven === undefined ? 'quiet' : 'done'}),
			...cell(clean(error, glyphs), plan.error, {tone: 'failed', mark}),
			...cell(clean(where, glyphs), plan.where, {tone: 'quiet', mark}),
		],
		plan.width,
		mark,
	);
}
