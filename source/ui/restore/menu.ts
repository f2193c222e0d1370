/** `R`: the menu for selected dumps, the harmless actions first. */
import {messageOf} from '../../core/errors.js';
import type {RestoreRequest} from '../../core/restore.js';
import type {DumpsToRestore} from '../../core/restore-handle.js';
import {chosenFiles, restoreDrill} from '../actions/fetch.js';
import {withSecret} from '../actions/secret.js';
import {waitIn} from '../actions/waiting.js';
import type {Console} from '../console.js';
import type {InfoDialog} from '../dialog.js';
import {blank, type Line, span} from '../text.js';
import {draftKey, newDraft, requestOf, type RestoreMode} from './draft.js';
import {takeKept} from './keep-drafts.js';
import {describeSource} from './panel.js';
import {inspectTarget} from './steps.js';
import {openWizard} from './wizard.js';

export function showRestoreMenu(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	const {location, keys} = chosen;
	const info = (text: string, tone?: Line[number]['tone']): InfoDialog => ({
		kind: 'info',
		title: 'Restore',
		lines: [[span(text, tone)]],
		top: 0,
	});
	waitIn(
		c,
		info(`looking at it${c.glyphs.cut}`, 'quiet'),
		signal => c.handle.dumpsToRestore(location, keys, {signal}),
		{
			done: source => ask(c, source),
			failed: error => c.fail(messageOf(error)),
		},
	);
}

function ask(c: Console, source: DumpsToRestore): void {
	const one = source.dumps.length === 1;
	const archive = source.dumps[0]?.format !== 'plain';
	const {drafts, kept} = c.view();
	const option = (key: string, label: string, mode: RestoreMode) => {
		const place = draftKey(source, mode);
		const isBegun = drafts.has(place) || kept.has(place);
		return {key, label: isBegun ? `${label}: as you left it` : label, run: () => begin(c, source, mode)};
	};
	c.ask({
		kind: 'choice',
		title: `Restore ${describeSource(source, c.now())}`,
		text: [],
		cursor: 0,
		options: [
			{key: 'p', label: 'for practice: into a scratch server, compared, removed', run: () => restoreDrill(c)},
			option('n', 'into a new database', 'new'),
			...(one && archive ? [option('o', 'some tables or schemas of it', 'objects')] : []),
			option('r', 'in place of a database (the present one is kept under another name)', 'replace'),
			{key: 'c', label: 'show the commands only', run: () => showCommands(c, source)},
		],
	});
}

/** A draft that was left with Esc, or kept when the terminal was lost, is continued. */
function begin(c: Console, source: DumpsToRestore, mode: RestoreMode): void {
	const begun = c.view().drafts.get(draftKey(source, mode));
	const draft = begun ?? takeKept(c, newDraft(source, mode, c.handle.defaultServer()));
	const open = (secrets = draft.secrets) => {
		openWizard(c, {...draft, typed: '', ...(secrets && {secrets})});
		inspectTarget(c);
	};
	const isEncrypted = source.dumps.some(dump => dump.encrypted);
	const keys = source.dumps.flatMap(({key}) => (key.endsWith('.age') ? [key] : []));
	withSecret(c, isEncrypted && draft.secrets === undefined, open, {location: source.location, keys});
}

function showCommands(c: Console, source: DumpsToRestore): void {
	const server = c.handle.defaultServer();
	const command = (mode: RestoreMode, more: Partial<RestoreRequest> = {}) =>
		c.handle.restoreCommand({...requestOf(newDraft(source, mode, server)), ...more});
	const lines: readonly (readonly [string, string])[] = [
		// Names may follow `--`.
		['What it would do, and what is missing for it', command('new').replace(/^pg_back/, 'pg_back --dry-run')],
		['Into a new database', command('new')],
		['One table that was dropped', command('objects', {only: ['SCHEMA.TABLE']})],
		['In place of the database that exists', command('replace')],
	];
	c.ask({
		kind: 'info',
		title: 'The commands of a restore',
		lines: lines.flatMap(([title, text], index): Line[] => [
			...(index === 0 ? [] : [blank]),
			[span(title, 'strong')],
			[span(`  ${text}`)],
		]),
		top: 0,
		copy: command('new'),
	});
}
