/** Asking for what opens a dump: typed in a masked field, kept in memory, handed to the engine only. */
import type {Secrets} from '../../core/handle.js';
import type {Console} from '../console.js';

export type SecretRequest = {
	readonly title: string;
	/** What happens when nothing is typed; without it something must be. */
	readonly text?: string;
	readonly problem?: string;
	readonly then: (secrets: Secrets) => void;
};

/** A passphrase or an age identity: told apart by how the latter begins. */
export function askSecret(c: Console, {title, text, problem, then}: SecretRequest): void {
	c.ask({
		kind: 'form',
		title,
		text: [
			'The passphrase, or the private key (AGE-SECRET-KEY-...). It is kept in memory only.',
			...(text === undefined ? [] : [text]),
		],
		fields: [{name: 'secret', label: 'secret', kind: 'masked', value: ''}],
		cursor: 0,
		problem,
		submit: ({secret = ''}) => {
			if (secret === '' && text === undefined) return askSecret(c, {title, problem: 'nothing was typed', then});
			c.ask(undefined);
			if (secret === '') return then({});
			then(
				secret.trim().toUpperCase().startsWith('AGE-SECRET-KEY-') ? {privateKey: secret.trim()} : {passphrase: secret},
			);
		},
	});
}
