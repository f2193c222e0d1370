/** Asks for keys and passphrases, once, in a field that does not show them. They are kept in memory and passed to the engine only. */
import {messageOf} from '../../core/errors.js';
import type {EncryptedDumps, MissingSecret} from '../../core/handle.js';
import type {Secrets} from '../../core/secrets.js';
import type {Console} from '../console.js';
import type {Field, FormDialog} from '../dialog.js';
import {clean} from '../glyphs.js';
import {isPrivateKey, secretsFrom} from '../secrets.js';
import {span} from '../text.js';
import {waitIn} from './waiting.js';

export type SecretRequest = {
	readonly title: string;
	/** Called when nothing is typed; without it an input is required. */
	readonly text?: string;
	readonly problem?: string | undefined;
	/** The dumps to open: only what they need is asked for, and a key that does not open them is refused. */
	readonly dumps?: EncryptedDumps | undefined;
	/** Secrets that were entered before and are not sufficient. */
	readonly given?: Secrets | undefined;
	/** The path of a key file that could not be used, for the user to correct. */
	readonly path?: string | undefined;
	readonly then: (secrets: Secrets) => void;
};

/** Calls `then` with the secrets that open the dumps. Asks only for those that are neither configured nor were entered before. */
export function withSecret(
	c: Console,
	needed: boolean,
	then: (secrets?: Secrets) => void,
	dumps?: EncryptedDumps,
): void {
	if (!needed) return then();
	const title = 'These dumps are encrypted';
	const given = c.secrets();
	waitIn(
		c,
		{
			kind: 'info',
			title: 'Encrypted dumps',
			lines: [[span(`checking how they are encrypted${c.glyphs.cut}`, 'quiet')]],
			top: 0,
		},
		signal => c.handle.missingSecret(dumps, {secrets: given, signal}),
		{
			done(missing) {
				c.ask(undefined);
				if (missing) askFor(c, missing, {title, dumps, problem: missing.problem, then});
				else then(given);
			},
			failed: error => c.fail(messageOf(error)),
		},
	);
}

/** Asks in any case, because the known secrets did not open the dump. */
export function askSecret(c: Console, request: SecretRequest): void {
	waitIn(
		c,
		{
			kind: 'info',
			title: 'Encrypted dumps',
			lines: [[span(`checking how it is encrypted${c.glyphs.cut}`, 'quiet')]],
			top: 0,
		},
		signal => c.handle.missingSecret(request.dumps, {signal}),
		{
			done: missing => askFor(c, missing ?? {kind: 'key'}, request),
			failed: error => c.fail(messageOf(error)),
		},
	);
}

const keyField: Field = {name: 'key', label: 'private key', kind: 'key', value: ''};
const passphraseField: Field = {name: 'passphrase', label: 'passphrase', kind: 'masked', value: ''};
const inMemory = 'It is kept in memory only, until pg_back is left.';

const questions: Readonly<Record<MissingSecret['kind'], {readonly text: string; readonly fields: readonly Field[]}>> = {
	key: {
		text: `The passphrase; or the private key: its file, or the key itself (AGE-SECRET-KEY-...). ${inMemory}`,
		fields: [passphraseField, keyField],
	},
	passphrase: {text: `Encrypted with a passphrase. ${inMemory}`, fields: [passphraseField]},
	'private key': {
		text: `Encrypted for a public key. The private key: its file, or the key itself (AGE-SECRET-KEY-...). ${inMemory}`,
		fields: [keyField],
	},
	'identity passphrase': {text: '', fields: [passphraseField]},
};

/** Asks for a secret, and again if it is malformed or does not open the dumps. */
function askFor(c: Console, missing: MissingSecret, request: SecretRequest): void {
	const {title, text, problem, dumps, given, path = '', then} = request;
	const {kind} = missing;
	const go = (secrets: Secrets): void => {
		c.remember(secrets);
		c.ask(undefined);
		then(c.secrets() ?? secrets);
	};
	const question =
		kind === 'identity passphrase'
			? `The passphrase of the identity file ${clean(missing.path, c.glyphs)}. ${inMemory}`
			: questions[kind].text;
	const form: FormDialog = {
		kind: 'form',
		title,
		text: [question, ...(text === undefined ? [] : [text])],
		fields: questions[kind].fields.map(field => (field.kind === 'key' ? {...field, value: path} : field)),
		cursor: 0,
		submit({passphrase = '', key = ''}) {
			const typedPath = isPrivateKey(key) ? '' : key;
			const again = (told: string) => askFor(c, missing, {...request, problem: told, path: typedPath});
			if (passphrase === '' && key.trim() === '') {
				if (text === undefined) return again('enter a passphrase or a key');
				c.ask(undefined);
				return then({});
			}
			const typed: Secrets = {
				...given,
				...(passphrase !== '' && (kind === 'identity passphrase' ? {identityPassphrase: passphrase} : {passphrase})),
				...secretsFrom(key),
			};
			const shown = c.view().dialog;
			waitIn(
				c,
				shown?.kind === 'form' ? {...shown, problem: undefined, note: undefined} : form,
				signal => check(c, typed, {dumps, signal}),
				{
					done(still) {
						if (still === undefined) return go(typed);
						// The next question does not show the problem of the first key.
						const kept = still.kind === 'identity passphrase' ? typed : given;
						askFor(c, still, {...request, given: kept, problem: still.problem, path: typedPath});
					},
					failed: error => again(messageOf(error)),
				},
			);
		},
	};
	c.ask({...form, problem});
}

/** Returns what is still missing. Rejects when the entered key is malformed. */
async function check(
	c: Console,
	secrets: Secrets,
	{dumps, signal}: {readonly dumps?: EncryptedDumps | undefined; readonly signal: AbortSignal},
): Promise<MissingSecret | undefined> {
	const missing = await c.handle.missingSecret(dumps, {secrets, signal});
	if (missing === undefined) await c.handle.checkSecrets(secrets);
	return missing;
}
