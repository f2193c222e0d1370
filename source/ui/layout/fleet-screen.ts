/** Formats the Fleet screen: each server in one row, in the words of `--fleet`. */
import {countVerdicts, serverTexts, type ServerView, type Verdict, verdictMarks} from '../../core/fleet.js';
import {formatCount, plural} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {fleetCursor, fleetRows} from '../fleet/rows.js';
import {clean} from '../glyphs.js';
import {blank, cutLine, type Line, lineWidth, type Span, span, spread, type Tone} from '../text.js';
import {cell} from './cells.js';
import {type FleetColumns, fleetHeader, margin, oldestWithName, planFleetColumns} from './fleet-columns.js';
import {listHeight, type ListScreen} from './list-screen.js';
import {tabsLine} from './tabs.js';
import {windowTop} from './window.js';
import {wrapWords} from './wrap.js';

export function shownServers({fleet, view}: Pick<Frame, 'fleet' | 'view'>): readonly ServerView[] {
	return fleetRows(fleet.servers() ?? [], view.fleet);
}

export function fleetScreen(frame: Frame): ListScreen {
	const {view, columns, rows, glyphs} = frame;
	const all = shownServers(frame);
	const cursor = fleetCursor(all, view.fleet);
	const height = listHeight(rows);
	const plan = planOf(all, windowTop(view.fleet.top, cursor, height, all.length), frame);
	const status = statusLines(frame, all[cursor], plan);
	const room = height + 1 - status.length;
	const top = windowTop(view.fleet.top, cursor, room, all.length);
	const list = all
		.slice(top, top + Math.max(0, room))
		.map((one, index) => serverRow(one, top + index === cursor, plan, frame));
	if (all.length === 0) list.push(emptyLine(frame));
	const filter = view.fleet.filter === '' ? '' : `filter: ${clean(view.fleet.filter, glyphs)}`;
	const header = [
		tabsLine('fleet', frame, filter),
		placeLine(frame, all.length),
		...(rows >= 16 ? [blank] : []),
		cutLine(fleetHeader(plan, view.fleet, glyphs), columns - 1, glyphs.cut),
	];
	return {header, list, status};
}

/** Fits the columns to the visible rows. */
function planOf(all: readonly ServerView[], top: number, {columns, rows, glyphs}: Frame): FleetColumns {
	const visible = all.slice(top, top + listHeight(rows));
	const longest = (text: (view: ServerView) => string) =>
		visible.reduce((most, view) => Math.max(most, cellWidth(clean(text(view), glyphs))), 0);
	return planFleetColumns(columns - 1, {
		name: longest(({server}) => server),
		oldest: longest(view => serverTexts(view).oldest),
	});
}

export const verdictTones: Readonly<Record<Verdict, Tone | undefined>> = {
	ok: undefined,
	warning: 'warn',
	failed: 'failed',
};

function serverRow(view: ServerView, active: boolean, plan: FleetColumns, {glyphs}: Frame): Line {
	const texts = serverTexts(view);
	const oldest = plan.oldest < oldestWithName ? texts.oldest.replace(/ .*/s, '') : texts.oldest;
	const tone = verdictTones[view.verdict];
	const mark = glyphs.cut;
	return cutLine(
		[
			span(active ? `${glyphs.pointer} ` : '  ', 'key'),
			span(`${verdictMarks(glyphs.ascii)[view.verdict]} `, tone),
			span(
				fit(clean(view.server, glyphs), plan.name, {cut: 'middle', mark}),
				active ? 'strong' : view.verdict === 'failed' ? tone : undefined,
			),
			...cell(texts.databases, plan.databases, {align: 'right', tone: 'quiet'}),
			...cell(clean(oldest, glyphs), plan.oldest, {mark, tone: view.verdict === 'warning' ? tone : undefined}),
			...cell(texts.last, plan.last, {mark, tone: lastTone(view)}),
			...cell(texts.size, plan.size, {align: 'right'}),
			...cell(texts.proven, plan.proven, {align: 'right', tone: 'quiet'}),
			...cell(clean(texts.reasons, glyphs), plan.reasons, {mark, tone}),
		],
		plan.width,
		mark,
	);
}

export function lastTone({last, running}: Pick<ServerView, 'last' | 'running'>): Tone | undefined {
	if (running) return 'running';
	return last !== undefined && last.exitCode !== 0 ? 'failed' : undefined;
}

/** Shows where the reports are, how many servers there are and in which state, and how old all this is. */
function placeLine({fleet, columns, glyphs, view}: Frame, shown: number): Line {
	const place = clean(fleet.place() ?? '', glyphs);
	const servers = fleet.servers();
	if (servers === undefined) return spread([span(` ${place}`, 'strong')], [], columns, glyphs.cut);
	const {failed, warning} = countVerdicts(servers);
	const marks = verdictMarks(glyphs.ascii);
	const of = view.fleet.filter === '' ? '' : `${formatCount(shown)} of `;
	const count = span(`${of}${plural(servers.length, 'server')}`, 'quiet');
	const bad: Span[] = [
		...(failed > 0 ? [span(`  ${marks.failed} ${formatCount(failed)} failed`, 'failed')] : []),
		...(warning > 0 ? [span(`  ${marks.warning} ${plural(warning, 'warning')}`, 'warn')] : []),
	];
	const minutes = Math.floor(fleet.age() / 60_000);
	const age = span(`  read ${minutes < 1 ? 'just now' : `${minutes}m ago`}`, 'quiet');
	const room = columns - Math.min(14, cellWidth(place) + 2);
	const right = [[count, ...bad, age], [count, ...bad], bad].find(line => lineWidth(line) <= room) ?? [];
	return spread([span(` ${place}`, 'strong')], [...right, span(' ')], columns, glyphs.cut);
}

function emptyLine({fleet, view}: Frame): Line {
	const indent = ' '.repeat(margin - 1);
	if (fleet.servers() !== undefined)
		return [
			span(`${indent}${view.fleet.filter === '' ? 'no server has reported' : 'nothing matches the filter'}`, 'quiet'),
		];
	if (fleet.state() === 'failed') return [span(`${indent}nothing could be read`, 'failed')];
	if (fleet.state() === 'stopped') return [span(`${indent}stopped: F5 reads again`, 'quiet')];
	return [span(`${indent}reading`, 'quiet')];
}

/** Milliseconds without a report after which the screen says that there is no answer. */
const noAnswer = 3000;
const mostReasonRows = 4;

/** Shows the progress of reading, or its error in full; else what is wrong with the server under the cursor. */
function statusLines(frame: Frame, server: ServerView | undefined, plan: FleetColumns): readonly Line[] {
	const {fleet, glyphs} = frame;
	const problem = fleet.problem();
	const isReading = fleet.state() === 'reading';
	const seconds = Math.floor(fleet.elapsed() / 1000);
	if (problem !== undefined) {
		const rest = isReading ? ` (${seconds} s; esc ends the attempt)` : '';
		return wrapped(clean(`${problem}${rest}`, glyphs), glyphs.failed, 'failed', frame);
	}
	if (isReading) {
		const {read, found} = fleet.progress() ?? {};
		const slow = fleet.elapsed() > noAnswer ? `no answer for ${seconds} s, esc ends the attempt` : 'connecting';
		const text = read === undefined ? slow : `reading, ${formatCount(read)} of ${plural(found ?? 0, 'report')}`;
		return [[span(text, 'running')]];
	}
	const stopped = fleet.state() === 'stopped' && fleet.servers() ? 'stopped: these are the servers as they were' : '';
	const reasons = server === undefined ? '' : clean(serverTexts(server).reasons, glyphs);
	if (server === undefined || reasons === '' || cellWidth(reasons) <= plan.reasons) return [[span(stopped, 'quiet')]];
	const mark = verdictMarks(glyphs.ascii)[server.verdict];
	return wrapped(`${clean(server.server, glyphs)}: ${reasons}`, mark, verdictTones[server.verdict], frame);
}

/** Returns as many rows as there is room for. */
function wrapped(text: string, mark: string, tone: Tone | undefined, {columns, rows, glyphs}: Frame): readonly Line[] {
	const pieces = wrapWords(text, Math.max(10, columns - 6));
	const most = rows >= 12 ? mostReasonRows : 1;
	return pieces.slice(0, most).map((piece, index) => {
		const isCut = index === most - 1 && pieces.length > most;
		return [span(`${index === 0 ? `${mark} ` : '  '}${piece}${isCut ? ` ${glyphs.cut}` : ''}`, tone)];
	});
}
