/** Formats questions and panels: a box in the middle of an otherwise empty screen, or at the top of a small one. */
import {cellWidth, fit} from '../../lib/width.js';
import type {Frame} from '../console.js';
import {
	type ChoiceDialog,
	type Dialog,
	type Field,
	type FormDialog,
	type InfoDialog,
	isCompleted,
	type Option,
	valuesOf,
} from '../dialog.js';
import {clean, type Glyphs} from '../glyphs.js';
import {keyGroups} from '../key-help.js';
import {contentsPanel} from '../restore/contents-dialog.js';
import {restorePanel} from '../restore/panel.js';
import {isPrivateKey} from '../secrets.js';
import {blank, cutLine, graphemes, keepEnd, type Line, lineWidth, span, textCursor} from '../text.js';
import {mainScreenOf, type Screen} from '../view.js';
import {backdrop} from './backdrop.js';
import {commandLines} from './command-lines.js';
import type {Panel} from './panel.js';
import {planPanel} from './plan-panel.js';
import {windowTop} from './window.js';
import {wrapWords} from './wrap.js';

const maxWidth = 84;

/** Returns the whole screen with the dialog: at most `rows` lines. */
export function dialogScreen(dialog: Dialog, frame: Frame): readonly Line[] {
	const {columns, rows, glyphs} = frame;
	const wide = ['info', 'restore', 'contents'].includes(dialog.kind) ? columns : maxWidth;
	const width = Math.min(wide, columns - (columns > 60 ? 4 : 0));
	const inner = width - 4;
	const room = rows - 2;
	const panel = panelOf(dialog, frame, inner, room);
	const body = panel.lines.slice(0, room);
	const height = panel.tall ? room : body.length;
	const left = ' '.repeat(Math.floor((columns - width) / 2));
	const above = panel.tall ? 0 : Math.max(0, Math.floor((rows - height - 2) / 3));
	const [topLeft, topRight, bottomLeft, bottomRight] = glyphs.box.corners;
	const edge = (start: string, text: string, end: string, tone: 'strong' | 'quiet'): Line => {
		const label = text === '' ? '' : ` ${fit(text, Math.min(cellWidth(text), width - 6), {mark: glyphs.cut})} `;
		return [
			span(`${left}${start}${glyphs.rule}`, 'quiet'),
			span(label, tone),
			span(`${glyphs.rule.repeat(Math.max(0, width - 3 - cellWidth(label)))}${end}`, 'quiet'),
		];
	};
	const row = (line: Line): Line => {
		const cut = cutLine(line, inner, glyphs.cut);
		return [
			span(`${left}${glyphs.box.side} `, 'quiet'),
			...cut,
			span(`${' '.repeat(inner - lineWidth(cut))} ${glyphs.box.side}`, 'quiet'),
		];
	};
	const box = [
		edge(topLeft, panel.title, topRight, 'strong'),
		...Array.from({length: height}, (_, index) => row(body[index] ?? blank)),
		edge(bottomLeft, panel.keys, bottomRight, 'quiet'),
	];
	const behind = panel.tall ? [] : backdrop(frame);
	return [...behind.slice(0, above), ...box, ...behind.slice(above + box.length)].slice(0, rows);
}

function panelOf(dialog: Dialog, frame: Frame, width: number, height: number): Panel {
	switch (dialog.kind) {
		case 'choice':
			return choicePanel(dialog, frame.glyphs, {width, height});
		case 'form':
			return formPanel(dialog, frame.glyphs, width);
		case 'plan':
			return planPanel(dialog, frame.glyphs, width, height);
		case 'info':
			return infoPanel(dialog, width, height);
		case 'restore':
			return restorePanel(dialog.wizard, {glyphs: frame.glyphs, now: frame.now, width, height});
		case 'contents':
			return contentsPanel(dialog, {glyphs: frame.glyphs, now: frame.now, width, height});
		case 'help':
			return helpPanel(dialog.top, frame, {width, height});
	}
}

function paragraphs(text: readonly string[], glyphs: Glyphs, width: number): Line[] {
	return text.flatMap(one => (one === '' ? [blank] : wrapWords(clean(one, glyphs), width).map(piece => [span(piece)])));
}

/** In cells. */
type Size = {readonly width: number; readonly height: number};

/** The options are always visible: a text that is too long for that is cut. */
function choicePanel(dialog: ChoiceDialog, glyphs: Glyphs, {width, height}: Size): Panel {
	const options = dialog.options.flatMap((option, index) =>
		optionLines(option, index === dialog.cursor, glyphs, width),
	);
	const below = [...options, ...commandLines(dialog.command, width, glyphs)];
	const room = Math.max(1, height - below.length - 3);
	const whole = paragraphs(dialog.text, glyphs, width);
	const text = whole.length > room ? [...whole.slice(0, room - 1), [span(glyphs.cut, 'quiet')]] : whole;
	return {
		title: clean(dialog.title, glyphs),
		lines: [blank, ...text, ...(text.length > 0 ? [blank] : []), ...below, blank],
		keys: `enter choose${dialog.command === undefined ? '' : '  Y copy command'}  esc back`,
		tall: false,
	};
}

function optionLines({key, label, danger}: Option, isChosen: boolean, glyphs: Glyphs, width: number): readonly Line[] {
	const start = `${key}  `;
	const indent = 2 + cellWidth(start);
	const tone = danger ? 'failed' : isChosen ? 'strong' : undefined;
	return wrapWords(clean(label, glyphs), Math.max(10, width - indent)).map((piece, line) =>
		line === 0
			? [span(isChosen ? `${glyphs.pointer} ` : '  ', 'key'), span(start, 'key'), span(piece, tone)]
			: [span(' '.repeat(indent)), span(piece, tone)],
	);
}

/** Maximum rows for the note of a form, such as what Tab has found. */
const mostNoteRows = 4;

function formPanel(dialog: FormDialog, glyphs: Glyphs, width: number): Panel {
	const labels = Math.max(...dialog.fields.map(field => cellWidth(field.label)));
	const text = paragraphs(dialog.text, glyphs, width);
	const fields = dialog.fields.map((field, index) =>
		fieldLine(field, index === dialog.cursor, {labels, width}, glyphs),
	);
	const facts = (dialog.facts ?? []).flatMap(fact =>
		wrapWords(clean(fact, glyphs), width - 2).map((piece): Line => [span(`  ${piece}`, 'quiet')]),
	);
	const note: Line[] =
		dialog.note === undefined
			? []
			: [
					blank,
					...wrapWords(clean(dialog.note, glyphs), width)
						.slice(0, mostNoteRows)
						.map((piece): Line => [span(piece, 'quiet')]),
				];
	const problem: Line[] =
		dialog.problem === undefined
			? []
			: [blank, ...wrapWords(clean(dialog.problem, glyphs), width).map(piece => [span(piece, 'failed')])];
	const toggles = dialog.fields.some(field => field.kind === 'toggle');
	return {
		title: clean(dialog.title, glyphs),
		lines: [
			blank,
			...text,
			...(text.length > 0 ? [blank] : []),
			...fields,
			...facts,
			...note,
			...problem,
			...commandLines(dialog.command?.(valuesOf(dialog.fields)), width, glyphs),
			...(dialog.waiting ? [blank, [span(`checking${glyphs.cut}`, 'quiet')]] : []),
			blank,
		],
		keys: `enter go${dialog.fields.length > 1 ? `  ${glyphs.upDown} field` : ''}${toggles ? '  space yes/no' : ''}${dialog.fields.some(isCompleted) ? '  tab complete' : ''}  ctrl-u empty${dialog.command === undefined ? '' : '  F2 copy command'}  esc back`,
		tall: false,
	};
}

/** In cells: the longest label, and the panel. */
type FieldWidths = {readonly labels: number; readonly width: number};

function fieldLine(field: Field, active: boolean, {labels, width}: FieldWidths, glyphs: Glyphs): Line {
	const start = [
		span(active ? `${glyphs.pointer} ` : '  ', 'key'),
		span(`${fit(field.label, labels)}  `, active ? 'strong' : 'quiet'),
	];
	if (field.kind === 'toggle')
		return [...start, span(field.value === 'yes' ? '[x] yes' : '[ ] no', field.value === 'yes' ? 'done' : 'quiet')];
	const shown =
		field.kind === 'masked' || (field.kind === 'key' && isPrivateKey(field.value))
			? glyphs.mask.repeat(graphemes(field.value).length)
			: clean(field.value, glyphs);
	const value = keepEnd(shown, Math.max(1, width - labels - 5));
	return [...start, span(value), ...(active ? [textCursor] : [])];
}

function infoPanel(dialog: InfoDialog, width: number, height: number): Panel {
	const top = windowTop(dialog.top, dialog.top, height, dialog.lines.length);
	const more =
		dialog.lines.length > height
			? `  ${top + 1}-${Math.min(dialog.lines.length, top + height)} of ${dialog.lines.length}`
			: '';
	return {
		title: dialog.title,
		lines: dialog.lines.slice(top, top + height).map(line => cutLine(line, width)),
		keys: `esc back${dialog.copy === undefined ? '' : '  y copy'}${more}`,
		tall: dialog.lines.length > height,
	};
}

const helpIndent = 13;

/** Returns the keys, those of `screen` first; what they do is wrapped at `width`. */
export function helpLines(glyphs: Glyphs, width: number, screen?: Screen): readonly Line[] {
	return keyGroups(glyphs.ascii, screen && mainScreenOf(screen)).flatMap((group, index): Line[] => [
		...(index === 0 ? [] : [blank]),
		[span(group.title, 'strong')],
		...group.rows.flatMap(row =>
			wrapWords(row.help, width - helpIndent).map((piece, line): Line => [
				span(`  ${fit(line === 0 ? row.label : '', helpIndent - 3)} `, 'key'),
				span(piece),
			]),
		),
	]);
}

function helpPanel(top: number, {glyphs, view}: Frame, {width, height}: Size): Panel {
	const lines = helpLines(glyphs, width, view.screen);
	const first = Math.max(0, Math.min(top, lines.length - height));
	const more =
		lines.length > height ? `  ${first + 1}-${Math.min(lines.length, first + height)} of ${lines.length}` : '';
	return {
		title: 'Keys',
		lines: lines.slice(first, first + height),
		keys: `${glyphs.upDown} move  esc back${more}`,
		tall: true,
	};
}
