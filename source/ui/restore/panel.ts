/** Formats the steps of a restore as a panel that fills the screen. Pure. */
import {formatBytes, plural} from '../../lib/format.js';
import {localClock, localDate} from '../../lib/local-time.js';
import {clean, type Glyphs} from '../glyphs.js';
import {formatAge} from '../layout/age.js';
import type {Panel} from '../layout/panel.js';
import {wrapWords} from '../layout/wrap.js';
import {blank, type Line, span} from '../text.js';
import type {RestoreMode} from './draft.js';
import {planBody, planKeys} from './draw-plan.js';
import {whatBody, whatKeys} from './draw-what.js';
import {whereBody, whereKeys} from './draw-where.js';
import type {PanelFrame} from './panel-frame.js';
import {steps, type Wizard} from './wizard-state.js';

const modeTitles: Readonly<Record<RestoreMode, string>> = {
	new: 'into a new database',
	objects: 'objects into a database',
	replace: 'in place of a database',
};

/** Maximum rows for the command. */
const commandRows = 3;

export function restorePanel(wizard: Wizard, frame: PanelFrame): Panel {
	const {glyphs, width, height} = frame;
	const {step} = wizard;
	const head: Line[] = [stepLine(wizard, glyphs), ...(height >= 14 ? [blank] : [])];
	const foot = [...problemLines(wizard, glyphs, width), ...commandLines(wizard.command, glyphs, width)];
	const room = Math.max(1, height - head.length - foot.length);
	const inside = {...frame, height: room};
	const drawn =
		step === 'where'
			? whereBody(wizard, inside)
			: step === 'what'
				? whatBody(wizard, inside)
				: planBody(wizard, inside);
	const body = [...drawn.slice(0, room), ...Array.from({length: Math.max(0, room - drawn.length)}, () => blank)];
	const keys = {where: whereKeys, what: whatKeys, plan: planKeys}[step](wizard, glyphs);
	return {title: titleOf(wizard, frame), lines: [...head, ...body, ...foot], keys, tall: true};
}

function titleOf({draft}: Wizard, {glyphs, now}: PanelFrame): string {
	const {source, mode} = draft;
	// The mode comes first, because a narrow terminal cuts the end.
	return clean(`Restore ${whatIn(source)} ${modeTitles[mode]}, dump of ${whenMade(source, now)}`, glyphs);
}

/** Returns `app of 2026-11-22 04:00 (6d old, 1.9 GiB)`. */
export function describeSource(source: Wizard['draft']['source'], now: number): string {
	return `${whatIn(source)} of ${whenMade(source, now)}`;
}

/** Returns `app of 2026-11-22 04:00`. */
export function nameSource(source: Wizard['draft']['source']): string {
	return `${whatIn(source)} of ${localTime(source.time)}`;
}

function whatIn({dumps}: Wizard['draft']['source']): string {
	const [first] = dumps;
	return dumps.length === 1 && first !== undefined ? first.database : plural(dumps.length, 'database');
}

function whenMade({dumps, time}: Wizard['draft']['source'], now: number): string {
	const known = dumps.flatMap(({bytes}) => (bytes === undefined ? [] : [bytes]));
	const size = known.length === dumps.length ? `, ${formatBytes(known.reduce((sum, one) => sum + one, 0))}` : '';
	return `${localTime(time)} (${formatAge(time, now)} old${size})`;
}

function localTime(time: number): string {
	const date = new Date(time);
	return `${localDate(date)} ${localClock(date).slice(0, '00:00'.length)}`;
}

function stepLine({step, doing}: Wizard, glyphs: Glyphs): Line {
	const names = steps.flatMap((name, index): Line => [
		...(index === 0 ? [] : [span(` ${glyphs.arrow} `, 'quiet')]),
		span(`${index + 1} ${name}`, name === step ? 'title' : 'quiet'),
	]);
	return [...names, ...(doing === undefined ? [] : [span(`   ${doing}${glyphs.cut}`, 'running')])];
}

function problemLines({problem}: Wizard, glyphs: Glyphs, width: number): readonly Line[] {
	if (problem === undefined) return [];
	return wrapWords(`${glyphs.failed} ${clean(problem, glyphs)}`, width)
		.slice(0, 4)
		.map(piece => [span(piece, 'failed')]);
}

function commandLines(command: string, glyphs: Glyphs, width: number): readonly Line[] {
	const pieces = wrapWords(`$ ${clean(command, glyphs)}`, width);
	const shown = pieces.slice(0, commandRows);
	const last = shown.at(-1);
	if (pieces.length > commandRows && last !== undefined) shown[commandRows - 1] = `${last.slice(0, -1)}${glyphs.cut}`;
	return [[span(glyphs.rule.repeat(width), 'quiet')], ...shown.map((piece): Line => [span(piece, 'quiet')])];
}
