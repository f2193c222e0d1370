/** What an emulated terminal shows, as an SVG picture. */
import type {IBufferCell, Terminal} from '@xterm/headless';

const cellWidth = 8.4;
const lineHeight = 18;
const edge = 12;
const background = '#16181d';
const foreground = '#d4d4d4';
const palette = [
	'#1c1c1c',
	'#e05252',
	'#5fb96a',
	'#d9a441',
	'#5b9ae0',
	'#b267c9',
	'#45b8bb',
	'#d0d0d0',
	'#7a7a7a',
	'#ff6b6e',
	'#7fd88a',
	'#ffd479',
	'#7ab6f5',
	'#d99bec',
	'#7fe0e2',
	'#ffffff',
];

type Style = {readonly color: string; readonly fill?: string; readonly bold: boolean; readonly dim: boolean};

export function toSvg(terminal: Terminal, title: string): string {
	const {active} = terminal.buffer;
	const rows = Array.from({length: terminal.rows}, (_, row) => active.getLine(active.baseY + row));
	const body = rows.flatMap((line, row) =>
		line === undefined ? [] : runsOf(line.length, column => line.getCell(column)).map(run => drawRun(run, row)),
	);
	const width = Math.ceil(terminal.cols * cellWidth + 2 * edge);
	const height = terminal.rows * lineHeight + 2 * edge;
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">`,
		`<title>${escape(title)}</title>`,
		`<rect width="100%" height="100%" rx="6" fill="${background}"/>`,
		`<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">`,
		...body,
		'</g>',
		'</svg>',
		'',
	].join('\n');
}

type Run = {readonly column: number; readonly cells: number; readonly text: string; readonly style: Style};

/** Neighbours of the same look, blanks at the end left out. */
function runsOf(length: number, cellAt: (column: number) => IBufferCell | undefined): readonly Run[] {
	const runs: Run[] = [];
	for (let column = 0; column < length; column++) {
		const cell = cellAt(column);
		if (cell === undefined || cell.getWidth() === 0) continue;
		const style = styleOf(cell);
		const text = cell.getChars() === '' ? ' ' : cell.getChars();
		const last = runs.at(-1);
		const joins =
			last !== undefined &&
			last.column + last.cells === column &&
			cell.getWidth() === 1 &&
			last.cells === Array.from(last.text).length &&
			JSON.stringify(last.style) === JSON.stringify(style);
		if (joins) runs[runs.length - 1] = {...last, cells: last.cells + 1, text: last.text + text};
		else runs.push({column, cells: cell.getWidth(), text, style});
	}
	return runs.filter(run => run.text.trim() !== '' || run.style.fill !== undefined);
}

function styleOf(cell: IBufferCell): Style {
	const color = cell.isFgPalette() ? (palette[cell.getFgColor()] ?? foreground) : foreground;
	const fill = cell.isBgPalette() ? palette[cell.getBgColor()] : undefined;
	const inverse = cell.isInverse() !== 0;
	return {
		color: inverse ? (fill ?? background) : color,
		fill: inverse ? color : fill,
		bold: cell.isBold() !== 0,
		dim: cell.isDim() !== 0,
	};
}

function drawRun({column, cells, text, style}: Run, row: number): string {
	const x = (edge + column * cellWidth).toFixed(1);
	const top = edge + row * lineHeight;
	const width = (cells * cellWidth).toFixed(1);
	const box =
		style.fill === undefined
			? ''
			: `<rect x="${x}" y="${top}" width="${width}" height="${lineHeight}" fill="${style.fill}"/>`;
	if (text.trim() === '') return box;
	const look = `${style.bold ? ' font-weight="bold"' : ''}${style.dim ? ' opacity="0.55"' : ''}`;
	return `${box}<text x="${x}" y="${top + 14}" fill="${style.color}"${look} textLength="${width}" lengthAdjust="spacingAndGlyphs">${escape(text)}</text>`;
}

function escape(text: string): string {
	return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
