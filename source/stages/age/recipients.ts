import {Encrypter} from 'age-encryption';
import {PgBackError} from '../../core/errors.js';
import {emptyFile} from './empty-file.js';
import {checkPassphrase} from './passphrase.js';

/** The keys to encrypt to: a passphrase, or one or more public keys, never both. Parsed and checked. */
export type EncryptionKeys = {
	readonly passphrase?: Buffer;
	/** age1…, age1tag1…, or age1pq1… and age1tagpq1…; never mixed, no duplicates. */
	readonly recipients: readonly string[];
	/** True when only age 1.3 and later (and pg_back) can decrypt. */
	readonly postQuantum: boolean;
};

/** A public key and its origin: an option's name, or `keys.txt:3`. */
export type RecipientText = {readonly text: string; readonly source: string};

/** Parses public keys. Throws CONFIG for the first malformed one, for an empty list, and for a mixture. */
export function parseRecipients(texts: readonly (string | RecipientText)[]): EncryptionKeys {
	const recipients = new Set<string>();
	for (const one of texts) {
		const {text, source} = typeof one === 'string' ? {text: one, source: 'public key'} : one;
		recipients.add(checkRecipient(text.trim(), source));
	}
	if (recipients.size === 0)
		throw new PgBackError('CONFIG', 'no public key given', {hint: 'set a key that starts with age1'});
	const postQuantum = [...recipients].filter(isPostQuantum);
	if (postQuantum.length > 0 && postQuantum.length < recipients.size) {
		throw new PgBackError('CONFIG', 'post-quantum and classic public keys cannot be mixed', {
			hint: 'the classic key would defeat the protection of the post-quantum key: use only age1pq1… and age1tagpq1… keys, or none of them',
		});
	}
	return {recipients: [...recipients], postQuantum: postQuantum.length > 0};
}

/**
 * Encrypts a file key to each public key in turn, because a well-formed key may still not be a point on its curve.
 * Throws CONFIG. The first post-quantum key takes about 60 ms, so this is done before the work starts.
 */
export async function tryRecipients(keys: EncryptionKeys): Promise<void> {
	for (const recipient of keys.recipients) {
		const encrypter = new Encrypter();
		encrypter.addRecipient(recipient);
		try {
			await emptyFile(encrypter);
		} catch (error) {
			throw new PgBackError('CONFIG', `invalid public key${shown(recipient)}`, {
				cause: error,
				hint: 'check that it was copied completely',
			});
		}
	}
}

/** Returns keys that encrypt to a passphrase. Throws CONFIG when it is empty. */
export function passphraseEncryption(passphrase: string | Buffer): EncryptionKeys {
	return {passphrase: checkPassphrase(passphrase, 'passphrase'), recipients: [], postQuantum: false};
}

function isPostQuantum(recipient: string): boolean {
	return recipient.startsWith('age1pq1') || recipient.startsWith('age1tagpq1');
}

function checkRecipient(text: string, source: string): string {
	if (/^AGE-(SECRET-KEY|PLUGIN)-/i.test(text)) {
		throw new PgBackError('CONFIG', `${source}: this is a private key, expected a public key`, {
			hint: 'run age-keygen -y to print the public key (age1…) of a private key',
		});
	}
	if (/^(ssh-|ecdsa-|sk-)/.test(text)) {
		throw new PgBackError('CONFIG', `${source}: SSH keys are not supported for encryption`, {
			hint: 'create an age key with age-keygen',
		});
	}
	try {
		new Encrypter().addRecipient(text);
	} catch (error) {
		const plugin = /^age1([a-z0-9-]+)1[02-9ac-hj-np-z]+$/.exec(text)?.[1];
		const hint =
			plugin && !['pq', 'tag', 'tagpq'].includes(plugin) && text.length > 20
				? 'a mistyped key or a plugin key: only age1…, age1pq1…, age1tag1… and age1tagpq1… keys are supported'
				: 'a public key starts with age1 and has 62 characters, a post-quantum one starts with age1pq1 and has 1959';
		throw new PgBackError('CONFIG', `${source}: malformed public key${shown(text)}`, {cause: error, hint});
	}
	return text;
}

/** Shows enough of a public key to find it, but not of a secret that was entered in the wrong place. */
function shown(text: string): string {
	if (!text.startsWith('age1')) return '';
	return ` ${text.length > 20 ? `${text.slice(0, 16)}…` : text}`;
}
