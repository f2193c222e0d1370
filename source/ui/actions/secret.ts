/** Asking for what opens a dump: typed in a masked field, kept in memory, handed to the engine only. */
import {messageOf} from '../../core/errors.js';
import type {MissingSecret, Secrets} from '../../core/handle.js';
import type {Console} from '../console.js';
import type {FormDialog} from '../dialog.js';
import {clean} from '../glyphs.js';

export type SecretRequest = {
	readonly title: string;
	readonly missing?: MissingSecret;
	/** What happens when nothing is typed; without it something must be. */
	readonly text?: string;
	readonly problem?: string;
	readonly then: (secrets: Secrets) => void;
};

/** A passphrase or an age identity: told apart by how the latter begins. The passphrase may be one of the identity that is configured. */
export function askSecret(c: Console, request: SecretRequest): void {
	const {title, missing, text, problem, then} = request;
	const locked = missing?.kind === 'identity passphrase' ? clean(missing.path, c.glyphs) : undefined;
	const form: FormDialog = {
		kind: 'form',
		title,
		text: [
			locked === undefined
				? 'The passphrase, or the private key (AGE-SECRET-KEY-...). It is kept in memory only.'
				: `The passphrase of the identity file ${locked}. It is kept in memory only.`,
			...(text === undefined ? [] : [text]),
		],
		fields: [{name: 'secret', label: 'secret', kind: 'masked', value: ''}],
		cursor: 0,
		...(problem !== undefined && {problem}),
		submit({secret = ''}) {
			if (secret === '' && text === undefined) return askSecret(c, {...request, problem: 'nothing was typed'});
			if (secret === '') return go({});
			const isKey = secret.trim().toUpperCase().startsWith('AGE-SECRET-KEY-');
			check(
				isKey ? {privateKey: secret.trim()} : {[locked === undefined ? 'passphrase' : 'identityPassphrase']: secret},
			);
		},
	};
	const go = (secrets: Secrets): void => {
		c.ask(undefined);
		then(secrets);
	};
	const check = (secrets: Secrets): void => {
		const waiting: FormDialog = {...form, problem: undefined, busy: true};
		c.ask(waiting);
		// Closed with Esc meanwhile: nobody waits for the answer.
		const isOpen = () => c.view().dialog === waiting;
		c.handle.checkSecrets(secrets).then(
			() => isOpen() && go(secrets),
			(error: unknown) => isOpen() && askSecret(c, {...request, problem: messageOf(error)}),
		);
	};
	c.ask(form);
}
