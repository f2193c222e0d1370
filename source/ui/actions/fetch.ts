/** Downloads, decrypts, verifies and proves dumps. Each becomes jobs on the Jobs screen. */
import {messageOf} from '../../core/errors.js';
import type {FetchRequest} from '../../core/handle.js';
import type {Secrets} from '../../core/secrets.js';
import {formatBytes, plural} from '../../lib/format.js';
import type {Console} from '../console.js';
import {valuesOf} from '../dialog.js';
import {chosenRows} from './files-view.js';
import {refuses} from './jobs.js';
import {withSecret} from './secret.js';

export type Chosen = {
	readonly location: string;
	readonly remote: boolean;
	readonly rows: readonly number[];
	/** Undefined when names were chosen. */
	readonly dumps?: readonly number[];
	readonly keys: readonly string[];
	readonly encrypted: boolean;
	readonly bytes: number;
	readonly what: string;
};

/** Returns the marked files, or undefined after showing why nothing can be done. */
export function chosenFiles(c: Console): Chosen | undefined {
	if (refuses(c)) return undefined;
	const location = c.files.location();
	const table = c.files.table();
	const {rows, dumps} = chosenRows(c);
	if (location === undefined || rows.length === 0) {
		c.say('nothing is marked');
		return undefined;
	}
	const bytes = rows.reduce((sum, row) => sum + table.size(row), 0);
	return {
		location: location.id,
		remote: location.remote,
		rows,
		...(dumps && {dumps}),
		keys: rows.map(row => table.key(row)),
		encrypted: rows.some(row => table.isEncrypted(row)),
		bytes,
		what: `${plural(rows.length, 'file')}, ${formatBytes(bytes)}`,
	};
}

export function download(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	if (!chosen.remote) return c.say('these files are already here: t decrypts them, v verifies them');
	askTarget(c, chosen, 'Download');
}

export function decrypt(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	if (!chosen.encrypted) return c.say('nothing that is marked is encrypted');
	askTarget(c, chosen, chosen.remote ? 'Download and decrypt' : 'Decrypt');
}

function askTarget(
	c: Console,
	chosen: Chosen,
	title: string,
	{problem, values}: {readonly problem?: string; readonly values: Readonly<Record<string, string>>} = {values: {}},
): void {
	const {remote, encrypted, location, keys} = chosen;
	const opens = (typed: Readonly<Record<string, string>>) => (remote ? encrypted && typed['decrypt'] === 'yes' : true);
	const first = values['target'] ?? c.handle.defaultTarget();
	const heading = `${title} ${chosen.what}`;
	c.ask({
		kind: 'form',
		title: heading,
		text: [],
		cursor: 0,
		problem,
		command: typed =>
			c.handle.commandFor({command: 'fetch', location, keys, target: typed['target'] ?? '', decrypt: opens(typed)}),
		onEdit: typed => showFreeSpace(c, heading, typed['target'] ?? '', chosen.bytes),
		fields: [
			{name: 'target', label: 'into the directory', kind: 'path', value: first},
			...(remote && encrypted
				? [{name: 'decrypt', label: 'decrypt', kind: 'toggle', value: values['decrypt'] ?? 'yes'} as const]
				: []),
			{name: 'verify', label: 'verify checksums', kind: 'toggle', value: values['verify'] ?? 'yes'},
		],
		submit(typed) {
			const again = (text: string) => askTarget(c, chosen, title, {problem: text, values: typed});
			const target = typed['target'] ?? '';
			if (target.trim() === '') return again('a directory is needed');
			const request: FetchRequest = {
				location,
				keys,
				target,
				decrypt: opens(typed),
				verify: typed['verify'] === 'yes',
				force: false,
			};
			c.ask(undefined);
			checkConflicts(c, request, again, forced =>
				withSecret(c, opens(typed), secrets => start(c, chosen, {...forced, ...(secrets && {secrets})}, again), chosen),
			);
		},
	});
	showFreeSpace(c, heading, first, chosen.bytes);
}

/** Shows the free and the needed space below the field, once they are known. */
function showFreeSpace(c: Console, title: string, target: string, bytes: number): void {
	c.attempt(
		c.handle.freeSpace(target).then(free => {
			const now = c.view().dialog;
			if (now?.kind !== 'form' || now.title !== title || valuesOf(now.fields)['target'] !== target) return;
			const needed = `${formatBytes(bytes)} to be written, as much again for what is decrypted`;
			const fact = `${formatBytes(free ?? 0)} free there; ${needed}`;
			c.ask({...now, facts: free === undefined ? [] : [free < bytes ? `too little room: ${fact}` : fact]});
		}),
	);
}

/** Asks before anything is overwritten. */
function checkConflicts(
	c: Console,
	request: FetchRequest,
	again: (text: string) => void,
	then: (request: FetchRequest) => void,
): void {
	c.handle.conflicts(request).then(
		existing => {
			if (existing.length === 0) return then(request);
			const shown = existing.slice(0, 5);
			c.ask({
				kind: 'choice',
				title: `${plural(existing.length, 'file')} ${existing.length === 1 ? 'exists' : 'exist'} already`,
				text: [...shown, ...(existing.length > shown.length ? [`and ${existing.length - shown.length} more`] : [])],
				cursor: 1,
				options: [
					{key: 'o', label: 'overwrite', danger: true, run: () => then({...request, force: true})},
					{key: 'b', label: 'back', run: () => again('choose another directory')},
				],
			});
		},
		(error: unknown) => again(messageOf(error)),
	);
}

function start(c: Console, {remote}: Chosen, request: FetchRequest, again: (text: string) => void): void {
	c.set({screen: 'jobs', dialog: undefined, files: {...c.view().files, marked: new Set()}});
	const {keys, target, verify: check, force, secrets} = request;
	const started = remote ? c.handle.fetch(request) : c.handle.decrypt({keys, target, verify: check, force, secrets});
	started.catch((error: unknown) => {
		c.set({screen: 'files'});
		again(messageOf(error));
	});
}

export function verify(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	const go = (secrets?: Secrets) => {
		c.set({screen: 'jobs'});
		c.attempt(c.handle.verify(chosen.location, chosen.keys, secrets));
	};
	withSecret(c, chosen.encrypted, go, chosen);
}

/** Restores into a scratch server; nothing of the user's is changed, but it takes time and disk space. */
export function restoreDrill(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	c.ask({
		kind: 'choice',
		title: `Restore drill of ${chosen.what}`,
		command: c.handle.commandFor({command: 'drill', location: chosen.location, keys: chosen.keys}),
		text: [
			'Restores into a scratch server of its own, counts what came back, and removes it. It needs as much room as the databases.',
		],
		cursor: 1,
		options: [
			{
				key: 'y',
				label: 'start it',
				run() {
					const go = (secrets?: Secrets) => {
						c.set({screen: 'jobs'});
						c.attempt(c.handle.restoreDrill(chosen.location, chosen.keys, secrets));
					};
					withSecret(c, chosen.encrypted, go, chosen);
				},
			},
			{key: 'n', label: 'back', run: () => undefined},
		],
	});
}
