/** Bringing dumps back: download, decrypt, verify, prove. Each becomes jobs, which the Jobs screen shows. */
import {messageOf} from '../../core/errors.js';
import type {FetchRequest, Secrets} from '../../core/handle.js';
import {formatBytes, plural} from '../../lib/format.js';
import type {Console} from '../console.js';
import {chosenRows} from './files-view.js';
import {refuses} from './jobs.js';
import {askFor} from './secret.js';

type Chosen = {
	readonly location: string;
	readonly remote: boolean;
	readonly rows: readonly number[];
	readonly keys: readonly string[];
	readonly encrypted: boolean;
	readonly what: string;
};

/** What is marked, or undefined after saying why nothing can be done. */
export function chosenFiles(c: Console): Chosen | undefined {
	if (refuses(c)) return undefined;
	const location = c.files.location();
	const table = c.files.table();
	const rows = chosenRows(c);
	if (location === undefined || rows.length === 0) {
		c.say('nothing is marked');
		return undefined;
	}
	const bytes = rows.reduce((sum, row) => sum + table.size(row), 0);
	return {
		location: location.id,
		remote: location.remote,
		rows,
		keys: rows.map(row => table.key(row)),
		encrypted: rows.some(row => table.isEncrypted(row)),
		what: `${plural(rows.length, 'file')}, ${formatBytes(bytes)}`,
	};
}

export function download(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	if (!chosen.remote) return c.say('these files are here already: t decrypts them, v verifies them');
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
	problem?: string,
	values: Readonly<Record<string, string>> = {},
): void {
	const {remote, encrypted} = chosen;
	c.ask({
		kind: 'form',
		title: `${title} ${chosen.what}`,
		text: [],
		cursor: 0,
		problem,
		fields: [
			{name: 'target', label: 'into the directory', kind: 'text', value: values['target'] ?? c.handle.defaultTarget()},
			...(remote && encrypted
				? [{name: 'decrypt', label: 'decrypt', kind: 'toggle', value: values['decrypt'] ?? 'yes'} as const]
				: []),
			{name: 'verify', label: 'verify checksums', kind: 'toggle', value: values['verify'] ?? 'yes'},
		],
		submit(typed) {
			const again = (text: string) => askTarget(c, chosen, title, text, typed);
			const target = typed['target'] ?? '';
			if (target.trim() === '') return again('a directory is needed');
			const opens = remote ? encrypted && typed['decrypt'] === 'yes' : true;
			const request: FetchRequest = {
				location: chosen.location,
				keys: chosen.keys,
				target,
				decrypt: opens,
				verify: typed['verify'] === 'yes',
				force: false,
			};
			c.ask(undefined);
			checkConflicts(c, request, again, forced =>
				withSecret(c, opens, secrets => start(c, chosen, {...forced, secrets}, again)),
			);
		},
	});
}

/** Nothing is overwritten without a question. */
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

function withSecret(c: Console, needed: boolean, then: (secrets?: Secrets) => void): void {
	if (!needed) return then();
	c.attempt(
		c.handle
			.missingSecret()
			.then(missing => (missing ? askFor(c, missing, {title: 'These dumps are encrypted', then}) : then())),
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
	withSecret(c, chosen.encrypted, secrets => {
		c.set({screen: 'jobs'});
		c.attempt(c.handle.verify(chosen.location, chosen.keys, secrets));
	});
}

/** Restores into a scratch server; nothing of the person's is touched, but it takes time and room. */
export function restoreDrill(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	c.ask({
		kind: 'choice',
		title: `Restore drill of ${chosen.what}`,
		text: [
			'Restores into a scratch server of its own, counts what came back, and removes it. It needs as much room as the databases.',
		],
		cursor: 1,
		options: [
			{
				key: 'y',
				label: 'start it',
				run: () =>
					withSecret(c, chosen.encrypted, secrets => {
						c.set({screen: 'jobs'});
						c.attempt(c.handle.restoreDrill(chosen.location, chosen.keys, secrets));
					}),
			},
			{key: 'n', label: 'back', run: () => undefined},
		],
	});
}
