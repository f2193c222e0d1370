/** Asking for what opens a dump: typed in a masked field, kept in memory, handed to the engine only. */
import {messageOf} from '../../core/errors.js';
import type {MissingSecret, Secrets} from '../../core/handle.js';
import type {Console} from '../console.js';
import type {FormDialog} from '../dialog.js';
import {clean} from '../glyphs.js';
import {waitIn} from './waiting.js';

export type SecretRequest = {
	readonly title: string;
	/** What happens when nothing is typed; without it something must be. */
	readonly text?: string;
	readonly problem?: string;
	readonly then: (secrets: Secrets) => void;
};

export function askSecret(c: Console, request: SecretRequest): void {
	c.attempt(c.handle.missingSecret().then(missing => askFor(c, missing, request)));
}

/**
 * A passphrase or an age identity, told apart by how the latter begins. The passphrase may be that of the configured identity which is
 * `missing`. Asks again where what was typed cannot be it.
 */
export function askFor(c: Console, missing: MissingSecret | undefined, request: SecretRequest): void {
	const {title, text, problem, then} = request;
	const locked = missing?.kind === 'identity passphrase' ? missing.path : undefined;
	const again = (told: string) => askFor(c, missing, {...request, problem: told});
	const go = (secrets: Secrets): void => {
		c.ask(undefined);
		then(secrets);
	};
	const form: FormDialog = {
		kind: 'form',
		title,
		text: [
			locked === undefined
				? 'The passphrase, or the private key (AGE-SECRET-KEY-...). It is kept in memory only.'
				: `The passphrase of the identity file ${clean(locked, c.glyphs)}. It is kept in memory only.`,
			...(text === undefined ? [] : [text]),
		],
		fields: [{name: 'secret', label: 'secret', kind: 'masked', value: ''}],
		cursor: 0,
		submit({secret = ''}) {
			if (secret === '') return text === undefined ? again('nothing was typed') : go({});
			const secrets = secretsOf(secret, locked !== undefined);
			waitIn(
				c,
				form,
				() => c.handle.checkSecrets(secrets),
				() => go(secrets),
				error => again(messageOf(error)),
			);
		},
	};
	c.ask({...form, problem});
}

function secretsOf(secret: string, opensIdentity: boolean): Secrets {
	if (secret.trim().toUpperCase().startsWith('AGE-SECRET-KEY-')) return {privateKey: secret.trim()};
	return opensIdentity ? {identityPassphrase: secret} : {passphrase: secret};
}
