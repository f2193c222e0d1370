/** Formats the last step: findings, the plan, and that nothing has been changed. Pure. */
import type {PlannedRestore, RestoreFinding, RestorePreview} from '../../core/restore.js';
import {textToType} from '../../lib/confirmation.js';
import {formatBytes, plural} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import {clean, type Glyphs} from '../glyphs.js';
import {blank, keepEnd, type Line, span, textCursor, type Tone} from '../text.js';
import {itemLines} from './item-lines.js';
import type {PanelFrame} from './panel-frame.js';
import type {Wizard} from './wizard-state.js';

export function planBody(wizard: Wizard, {glyphs, width, height}: PanelFrame): readonly Line[] {
	const {preview, top} = wizard;
	const lines = planLines(wizard, glyphs, width);
	const foot = preview === undefined ? [] : footLines(wizard, preview, glyphs, width);
	const room = Math.max(1, height - foot.length);
	const first = Math.max(0, Math.min(top, lines.length - room));
	const shown = lines.slice(first, first + room);
	return [...shown, ...Array.from({length: Math.max(0, room - shown.length)}, () => blank), ...foot];
}

/** Always visible: that nothing was changed, and what must be typed to confirm a replacement. */
function footLines({draft}: Wizard, preview: RestorePreview, glyphs: Glyphs, width: number): readonly Line[] {
	const whole = clean(`Nothing on ${preview.target.label} has been changed so far.`, glyphs);
	const unchanged = cellWidth(whole) <= width ? whole : 'Nothing has been changed so far.';
	const lines: Line[] = [[span(unchanged, 'strong')]];
	const {replaced} = preview;
	if (replaced.length === 0 || isStopped(preview)) return lines;
	const label = fit(clean(`type ${textToType(replaced)} to replace it:`, glyphs), Math.floor(width * 0.7)).trimEnd();
	return [
		...lines,
		[span(`${label} `, 'key'), span(keepEnd(clean(draft.typed, glyphs), width - cellWidth(label) - 2)), textCursor],
	];
}

export function planKeys({draft, preview}: Wizard, glyphs: Glyphs): string {
	const isTyping = draft.mode === 'replace';
	const enter = preview === undefined ? 'enter plan again' : isStopped(preview) ? 'enter solve it' : 'enter START';
	return `${enter}  ${glyphs.upDown} more  ${isTyping ? 'F2' : 'Y'} copy the command  esc back`;
}

function isStopped({findings}: RestorePreview): boolean {
	return findings.some(({severity}) => severity === 'stop');
}

/** Returns all lines, however many rows there are. */
export function planLines({preview}: Wizard, glyphs: Glyphs, width: number): readonly Line[] {
	if (preview === undefined) return [];
	const {source, target, findings} = preview;
	const wrapped = (mark: string, tone: Tone | undefined, text: string) => itemLines({mark, tone, text}, glyphs, width);
	const server = `PostgreSQL ${target.version} at ${target.label} as ${target.user}${target.superuser ? ', superuser' : ''}`;
	const other =
		source.systemIdentifier !== undefined &&
		target.systemIdentifier !== undefined &&
		source.systemIdentifier !== target.systemIdentifier
			? 'another server than the dumped one'
			: undefined;
	const ranks = {stop: 0, warn: 1, note: 2};
	const sorted = findings.toSorted((a, b) => ranks[a.severity] - ranks[b.severity]);
	return [
		...wrapped(glyphs.done, 'done', other === undefined ? server : `${server}: ${other}`),
		...wrapped(glyphs.dot, 'quiet', source.proven),
		...sorted.flatMap(finding => findingLines(finding, glyphs, width)),
		blank,
		...stepTexts(preview).flatMap((text, index) => wrapped(`${index + 1}`, 'key', text)),
	];
}

const tones = {stop: 'failed', warn: 'warn', note: 'quiet'} as const;

function findingLines({severity, text, hint}: RestoreFinding, glyphs: Glyphs, width: number): readonly Line[] {
	const mark = severity === 'stop' ? glyphs.failed : severity === 'warn' ? '!' : glyphs.dot;
	return [
		...itemLines({mark, tone: tones[severity], text}, glyphs, width),
		...(hint === undefined ? [] : itemLines({mark: ' ', tone: 'quiet', text: hint}, glyphs, width)),
	];
}

/** Returns the steps of the restore, in order. */
function stepTexts({roles, databases}: RestorePreview): readonly string[] {
	const created = roles.create.length > 0 ? [`create the missing roles ${roles.create.join(', ')}`] : [];
	return [...created, ...databases.flatMap(one => databaseTexts(one, databases.length > 1))];
}

const roads: Readonly<Record<string, string>> = {
	'in place': 'read the dump where it is and check it',
	file: 'fetch and decrypt the dump, and check it',
	stream: 'load the dump while it is fetched, and check it',
	members: 'load each table while it is fetched, and check it',
	psql: 'load the SQL while it is read, and check it',
};

function databaseTexts(one: PlannedRestore, several: boolean): readonly string[] {
	const {database, target, mode, previous, bytes, jobs, tables, entries} = one;
	if (mode === 'skip') return [`leave ${target} as it is: it is empty, and so is the dump`];
	const road = `${roads[one.road] ?? one.road} (${formatBytes(bytes)})`;
	if (mode === 'only')
		return [road, `bring ${plural(entries?.length ?? 0, 'entry', 'entries')} back into ${target}, in one transaction`];
	const last =
		mode === 'replace' ? `put it in the place of ${target}, which is kept as ${previous ?? ''}` : `name it ${target}`;
	if (several) return [`${database}: ${road}, ${plural(tables, 'table')}; then ${last}`];
	return [
		'create a hidden database, which nobody else can connect to',
		`${road}, ${plural(tables, 'table')}, ${plural(jobs, 'connection')}`,
		'analyze it, and compare it with the dump',
		last,
	];
}
