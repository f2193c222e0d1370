/** Formats the first step: server and names, each with what is known about it. Pure. */
import {cellWidth, fit} from '../../lib/width.js';
import {clean, type Glyphs} from '../glyphs.js';
import {blank, keepEnd, type Line, span, textCursor} from '../text.js';
import {checkField, type FieldInfo, fieldsOf} from './fields.js';
import {itemLines} from './item-lines.js';
import type {PanelFrame} from './panel-frame.js';
import type {Wizard} from './wizard-state.js';

/** Minimum rows for fields, so that a long error of the server does not hide them. */
const leastFields = 3;

export function whereBody(wizard: Wizard, {glyphs, width, height}: PanelFrame): readonly Line[] {
	const fields = fieldsOf(wizard.draft);
	const labels = Math.max(...fields.map(({label}) => label.length));
	const lines = fields.map((info, index) => fieldLine(info, index === wizard.field, wizard, {labels, width, glyphs}));
	const status = statusLines(wizard, glyphs, width);
	const room = Math.max(leastFields, height - status.length);
	const top = Math.max(0, Math.min(wizard.field - room + 1, lines.length - room));
	const shown = [...lines.slice(top, top + room), ...(room > lines.length ? [blank] : []), ...status];
	return shown.slice(0, height);
}

export function whereKeys({draft, field, targetProblem}: Wizard, glyphs: Glyphs): string {
	const isChoice = fieldsOf(draft)[field]?.choices !== undefined;
	return `enter ${targetProblem === undefined ? 'next' : 'asks again'}  ${glyphs.upDown} field  ${isChoice ? 'space change  Y copy' : 'F2 copy'} the command  esc back`;
}

type Widths = {readonly labels: number; readonly width: number; readonly glyphs: Glyphs};

function fieldLine(info: FieldInfo, active: boolean, {draft, target}: Wizard, {labels, width, glyphs}: Widths): Line {
	const value = draft.values[info.name];
	const check = checkField(info.name, draft, target);
	const note = check === undefined ? '' : `  ${check.ok ? glyphs.done : glyphs.failed} ${clean(check.text, glyphs)}`;
	const start = [
		span(active ? `${glyphs.pointer} ` : '  ', 'key'),
		span(`${fit(info.label, labels)}  `, active ? 'strong' : 'quiet'),
	];
	const end = span(note, check?.ok === true ? 'done' : 'failed');
	if (info.choices) return [...start, ...info.choices.map((choice): Line[number] => choiceSpan(choice, value)), end];
	const room = Math.max(4, width - labels - 5 - Math.min(cellWidth(note), Math.floor(width / 2)));
	const shown = keepEnd(clean(value, glyphs), room);
	const isEmpty = value === '' && info.empty !== undefined;
	return [
		...start,
		span(shown),
		...(active ? [textCursor] : []),
		...(isEmpty ? [span(`(${info.empty})`, 'quiet')] : []),
		end,
	];
}

/** The selected one is in brackets, which are visible without color. */
function choiceSpan(choice: string, value: string): Line[number] {
	return choice === value ? span(`[${choice}] `, 'strong') : span(` ${choice}  `, 'quiet');
}

/** Shows the server that responded, or why none did. */
function statusLines({target, targetProblem, doing}: Wizard, glyphs: Glyphs, width: number): readonly Line[] {
	if (target !== undefined) {
		const {version, label, user, superuser, systemIdentifier} = target;
		const who = `${user}${superuser ? ', superuser' : ''}`;
		const system = systemIdentifier === undefined ? '' : ` ${glyphs.dot} system ${systemIdentifier}`;
		const text = `PostgreSQL ${version} at ${label} as ${who}${system}`;
		return [[span(`${glyphs.done} `, 'done'), span(clean(text, glyphs))]];
	}
	if (targetProblem !== undefined)
		return itemLines({mark: glyphs.failed, tone: 'failed', text: targetProblem}, glyphs, width);
	return [[span(doing === undefined ? 'the server was not asked yet' : '', 'quiet')]];
}
