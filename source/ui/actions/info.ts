/** Looking into a dump: what it is and what is in it, without fetching or decrypting more than needed. */
import {PgBackError, messageOf} from '../../core/errors.js';
import type {DumpDetails, Secrets} from '../../core/handle.js';
import {formatBytes, formatCount, plural} from '../../lib/format.js';
import {cellWidth, fit} from '../../lib/width.js';
import type {Console} from '../console.js';
import type {InfoDialog} from '../dialog.js';
import {clean, type Glyphs} from '../glyphs.js';
import {blank, span, type Line} from '../text.js';
import {wrapWords} from '../layout/wrap.js';
import {cursorRow} from './files-view.js';
import {askSecret} from './secret.js';
import {waitIn} from './waiting.js';

/** Enter: opens or closes a run; looks into a file. */
export function openFile(c: Console): void {
	const cursor = cursorRow(c);
	if (cursor === undefined) return;
	if (cursor.file !== undefined) return showInfo(c);
	const open = new Set(c.view().files.open);
	if (!open.delete(cursor.run)) open.add(cursor.run);
	c.setFiles({open, cursor});
}

export function showInfo(c: Console): void {
	const location = c.files.location();
	const cursor = cursorRow(c);
	const row = cursor?.file ?? (cursor === undefined ? undefined : c.files.table().runs[cursor.run]?.files[0]);
	if (location === undefined || row === undefined) return c.say('there is nothing to look into');
	inspect(c, location.id, c.files.table().key(row));
}

function inspect(c: Console, location: string, key: string, secrets?: Secrets): void {
	const title = clean(key, c.glyphs);
	const info = (lines: readonly Line[]): InfoDialog => ({kind: 'info', title, lines, top: 0});
	waitIn(
		c,
		info([[span(`looking into it${c.glyphs.cut}`, 'quiet')]]),
		signal => c.handle.inspect(location, key, {signal, secrets}),
		details => c.ask({...info(detailsLines(details, c.glyphs, c.size().columns - 8)), copy: key}),
		error => {
			if (!(error instanceof PgBackError && error.code === 'WRONG_KEY'))
				return c.ask(info([[span(clean(messageOf(error), c.glyphs), 'failed')]]));
			askSecret(c, {
				title: 'This dump is encrypted',
				text: 'Nothing typed: what is known without it.',
				problem: secrets === undefined ? undefined : messageOf(error),
				then: given => inspect(c, location, key, given),
			});
		},
	);
}

/** Long values (digests, keys) are wrapped: they are there to be compared. */
export function detailsLines({facts, tables}: DumpDetails, glyphs: Glyphs, width: number): readonly Line[] {
	const labels = Math.max(0, ...facts.map(([label]) => cellWidth(clean(label, glyphs))));
	const names = Math.min(48, Math.max(8, ...tables.slice(0, 500).map(table => cellWidth(clean(table.name, glyphs)))));
	return [
		...facts.flatMap(([label, value]) =>
			wrapWords(clean(value, glyphs), Math.max(10, width - labels - 2)).map((piece, index): Line => [
				span(`${fit(index === 0 ? clean(label, glyphs) : '', labels)}  `, 'quiet'),
				span(piece),
			]),
		),
		...(tables.length === 0 ? [] : [blank, [span(plural(tables.length, 'table'), 'strong')] as Line]),
		...tables.map((table): Line => [
			span(fit(clean(table.name, glyphs), names, {cut: 'middle', mark: glyphs.cut})),
			span(table.bytes === undefined ? '' : `  ${formatBytes(table.bytes).padStart(9)}`, 'quiet'),
			span(table.rows === undefined ? '' : `  ${formatCount(table.rows)} rows`, 'quiet'),
		]),
	];
}
