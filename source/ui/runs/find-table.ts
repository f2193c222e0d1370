/** Searches for a table in all dumps of a location. */
import {messageOf, PgBackError} from '../../core/errors.js';
import type {TableSighting} from '../../core/runs-handle.js';
import type {Secrets} from '../../core/secrets.js';
import {formatBytes, plural} from '../../lib/format.js';
import {fit} from '../../lib/width.js';
import {refuses} from '../actions/jobs.js';
import {askSecret} from '../actions/secret.js';
import {waitIn} from '../actions/waiting.js';
import type {Console} from '../console.js';
import type {InfoDialog} from '../dialog.js';
import {clean, type Glyphs} from '../glyphs.js';
import {type Line, span} from '../text.js';

export function findTable(c: Console): void {
	const location = c.files.location();
	if (refuses(c) || location === undefined) return;
	askPattern(c, location.id, location.label);
}

function askPattern(c: Console, location: string, label: string, problem?: string): void {
	c.ask({
		kind: 'form',
		title: `Which dumps hold a table? ${label}`,
		text: ['A pattern as for pg_dump -t: orders, sales."Orders", audit.*. Every dump is searched, newest first.'],
		fields: [{name: 'pattern', label: 'table', kind: 'text', value: ''}],
		cursor: 0,
		problem,
		submit({pattern = ''}) {
			if (pattern.trim() === '') return askPattern(c, location, label, 'a name is needed');
			search(c, {location, pattern: pattern.trim()});
		},
	});
}

type Search = {readonly location: string; readonly pattern: string; readonly secrets?: Secrets};

function search(c: Console, {location, pattern, secrets}: Search): void {
	const info = (lines: readonly Line[]): InfoDialog => ({
		kind: 'info',
		title: `Dumps with a table ${clean(pattern, c.glyphs)}`,
		lines,
		top: 0,
	});
	const found: TableSighting[] = [];
	const collect = async (signal: AbortSignal) => {
		for await (const one of c.handle.findTable(location, pattern, {signal, ...(secrets && {secrets})})) {
			found.push(one);
			const {dialog} = c.view();
			if (dialog?.kind === 'info' && !signal.aborted)
				c.ask({...dialog, lines: [searching(c.glyphs, found.length), ...sightingLines(found, c.glyphs)]});
		}
	};
	waitIn(c, info([searching(c.glyphs, 0)]), collect, {
		done: () => c.ask({...info(sightingLines(found, c.glyphs)), copy: found[0]?.key}),
		failed(error) {
			if (!(error instanceof PgBackError && error.code === 'WRONG_KEY'))
				return c.ask(info([...sightingLines(found, c.glyphs), [span(clean(messageOf(error), c.glyphs), 'failed')]]));
			askSecret(c, {
				title: 'Some dumps are encrypted',
				text: 'Leave it empty to search only the others.',
				problem: messageOf(error),
				then: given => search(c, {location, pattern, secrets: given}),
			});
		},
	});
}

function searching(glyphs: Glyphs, count: number): Line {
	return [span(`searching${glyphs.cut} ${plural(count, 'dump')} so far`, 'running')];
}

function sightingLines(found: readonly TableSighting[], glyphs: Glyphs): readonly Line[] {
	return found.map(({time, database, table, rows, bytes}): Line => [
		span(`${new Date(time).toISOString().slice(0, 16).replace('T', ' ')}  `, 'quiet'),
		span(fit(clean(database, glyphs), 16, {cut: 'middle', mark: glyphs.cut}), 'strong'),
		span(`  ${clean(table, glyphs)}`),
		span(`  ${rows === undefined ? 'rows not recorded' : plural(rows, 'row')}`, 'quiet'),
		span(bytes === undefined ? '' : `, ${formatBytes(bytes)}`, 'quiet'),
	]);
}
