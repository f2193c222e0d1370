/** Shows what a dump is and what it contains, without more downloading or decryption than necessary. */
import {messageOf, PgBackError} from '../../core/errors.js';
import type {Secrets} from '../../core/secrets.js';
import type {Console} from '../console.js';
import type {InfoDialog} from '../dialog.js';
import {clean} from '../glyphs.js';
import {contentsDialog} from '../restore/contents-dialog.js';
import {span, type Tone} from '../text.js';
import {cursorRow} from './files-view.js';
import {askSecret} from './secret.js';
import {waitIn} from './waiting.js';

/** Handles Enter: opens or closes a run; shows the contents of a dump. */
export function openFile(c: Console): void {
	const cursor = cursorRow(c);
	if (cursor === undefined) return;
	if (cursor.run === undefined || cursor.dump !== undefined) return showInfo(c);
	const open = new Set(c.view().files.open);
	if (!open.delete(cursor.run)) open.add(cursor.run);
	c.setFiles({open, cursor});
}

export function showInfo(c: Console): void {
	const location = c.files.location();
	const cursor = cursorRow(c);
	const {dumps, key} = c.files.table();
	const dump = cursor?.dump ?? (cursor?.run === undefined ? undefined : c.files.order()?.runs.get(cursor.run)?.first);
	const row = cursor?.file ?? (dump === undefined ? undefined : dumps.lead(dump));
	if (location === undefined || row === undefined) return c.say('this row has no contents to show');
	inspect(c, location.id, key(row), c.secrets());
}

function inspect(c: Console, location: string, key: string, secrets?: Secrets): void {
	const info = (text: string, tone: Tone): InfoDialog => ({
		kind: 'info',
		title: clean(key, c.glyphs),
		lines: [[span(text, tone)]],
		top: 0,
	});
	waitIn(
		c,
		info(`looking into it${c.glyphs.cut}`, 'quiet'),
		signal => c.handle.contentsOf(location, key, {signal, secrets}),
		{
			done: contents => c.ask(contentsDialog(contents)),
			failed(error) {
				if (!(error instanceof PgBackError && error.code === 'WRONG_KEY'))
					return c.ask(info(clean(messageOf(error), c.glyphs), 'failed'));
				askSecret(c, {
					title: 'This dump is encrypted',
					text: 'Leave it empty to see only what is known without a key.',
					problem: secrets === undefined ? undefined : messageOf(error),
					dumps: {location, keys: [key]},
					then: given => inspect(c, location, key, given),
				});
			},
		},
	);
}
