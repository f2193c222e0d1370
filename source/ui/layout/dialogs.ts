/** Questions and panels as rows: a frame in the middle of an otherwise empty screen, or at the top of a small one. */
import {formatBytes, plural} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import type {Frame} from '../console.js';
import type {ChoiceDialog, Dialog, Field, FormDialog, InfoDialog, PlanDialog} from '../dialog.js';
import {clean, type Glyphs} from '../glyphs.js';
import {keyGroups} from '../keymap.js';
import {blank, cutLine, graphemes, keepEnd, lineWidth, span, textCursor, type Line} from '../text.js';
import {backdrop} from './backdrop.js';
import {wrapWords} from './wrap.js';
import {windowTop} from './window.js';

type Panel = {
	readonly title: string;
	readonly lines: readonly Line[];
	readonly keys: string;
	/** Takes all rows; else only as many as its text. */
	readonly tall: boolean;
};

const maxWidth = 84;

/** The whole screen with the dialog on it: at most `rows` lines. */
export function dialogScreen(dialog: Dialog, frame: Frame): readonly Line[] {
	const {columns, rows, glyphs} = frame;
	const wide = dialog.kind === 'info' ? columns : maxWidth;
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
			return choicePanel(dialog, frame.glyphs, width);
		case 'form':
			return formPanel(dialog, frame.glyphs, width);
		case 'plan':
			return planPanel(dialog, frame.glyphs, width, height);
		case 'info':
			return infoPanel(dialog, width, height);
		case 'help':
			return helpPanel(dialog.top, frame.glyphs, width, height);
	}
}

function paragraphs(text: readonly string[], glyphs: Glyphs, width: number): Line[] {
	return text.flatMap(one => (one === '' ? [blank] : wrapWords(clean(one, glyphs), width).map(piece => [span(piece)])));
}

function choicePanel(dialog: ChoiceDialog, glyphs: Glyphs, width: number): Panel {
	const options = dialog.options.map((option, index): Line => {
		const chosen = index === dialog.cursor;
		return [
			span(chosen ? `${glyphs.pointer} ` : '  ', 'key'),
			span(`${option.key}  `, 'key'),
			span(clean(option.label, glyphs), option.danger ? 'failed' : chosen ? 'strong' : undefined),
		];
	});
	const text = paragraphs(dialog.text, glyphs, width);
	return {
		title: clean(dialog.title, glyphs),
		lines: [blank, ...text, ...(text.length > 0 ? [blank] : []), ...options, blank],
		keys: 'enter choose  esc back',
		tall: false,
	};
}

function formPanel(dialog: FormDialog, glyphs: Glyphs, width: number): Panel {
	const labels = Math.max(...dialog.fields.map(field => cellWidth(field.label)));
	const text = paragraphs(dialog.text, glyphs, width);
	const fields = dialog.fields.map((field, index) => fieldLine(field, index === dialog.cursor, labels, glyphs, width));
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
			...problem,
			...(dialog.waiting ? [blank, [span(`checking${glyphs.cut}`, 'quiet')]] : []),
			blank,
		],
		keys: `enter go${dialog.fields.length > 1 ? `  ${glyphs.upDown} field` : ''}${toggles ? '  space yes/no' : ''}  ctrl-u empty  esc back`,
		tall: false,
	};
}

function fieldLine(field: Field, active: boolean, labels: number, glyphs: Glyphs, width: number): Line {
	const start = [
		span(active ? `${glyphs.pointer} ` : '  ', 'key'),
		span(`${fit(field.label, labels)}  `, active ? 'strong' : 'quiet'),
	];
	if (field.kind === 'toggle')
		return [...start, span(field.value === 'yes' ? '[x] yes' : '[ ] no', field.value === 'yes' ? 'done' : 'quiet')];
	const shown =
		field.kind === 'masked' ? glyphs.mask.repeat(graphemes(field.value).length) : clean(field.value, glyphs);
	const value = keepEnd(shown, Math.max(1, width - labels - 5));
	return [...start, span(value), ...(active ? [textCursor] : [])];
}

function planPanel(dialog: PlanDialog, glyphs: Glyphs, width: number, height: number): Panel {
	const facts = dialog.facts.map(([label, value]): Line => [
		span(`${fit(clean(label, glyphs), 14, {mark: glyphs.cut})} `, 'quiet'),
		span(clean(value, glyphs)),
	]);
	const chosen = dialog.databases.filter(one => dialog.marked.has(one.name));
	const total = chosen.reduce((sum, one) => sum + one.bytes, 0);
	const head: Line[] = [
		[
			span(
				dialog.waiting
					? `reading the databases${glyphs.cut}`
					: `${chosen.length} of ${plural(dialog.databases.length, 'database')}`,
				'strong',
			),
			span(`   ~${formatBytes(total)}`, 'quiet'),
		],
	];
	const tail: Line[] = [
		...(dialog.problem === undefined ? [] : [blank, [span(clean(dialog.problem, glyphs), 'failed')] as Line]),
		blank,
		...facts,
	];
	const room = Math.max(1, height - head.length - Math.min(tail.length, Math.floor(height / 2)));
	const top = windowTop(0, dialog.cursor, room, dialog.databases.length);
	const list = dialog.databases.slice(top, top + room).map((one, index): Line => {
		const active = top + index === dialog.cursor;
		const marked = dialog.marked.has(one.name);
		const right = `${formatBytes(one.bytes).padStart(9)}  ${one.format}`;
		return [
			span(active ? `${glyphs.pointer} ` : '  ', 'key'),
			span(marked ? '[x] ' : '[ ] ', marked ? 'done' : 'quiet'),
			span(
				fit(clean(one.name, glyphs), Math.max(8, width - right.length - 8), {cut: 'middle', mark: glyphs.cut}),
				active ? 'strong' : undefined,
			),
			span(`  ${right}`, 'quiet'),
		];
	});
	return {
		title: 'Back up',
		lines: [...head, ...list, ...tail],
		keys: 'space mark  a all  A none  enter start  esc back',
		tall: false,
	};
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

export function helpLines(glyphs: Glyphs): readonly Line[] {
	return keyGroups(glyphs.ascii).flatMap((group, index): Line[] => [
		...(index === 0 ? [] : [blank]),
		[span(group.title, 'strong')],
		...group.rows.map((row): Line => [span(`  ${fit(row.label, 10)} `, 'key'), span(row.help)]),
	]);
}

function helpPanel(top: number, glyphs: Glyphs, _width: number, height: number): Panel {
	const lines = helpLines(glyphs);
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
