/** Checks that the given keys and passphrases can be used together, and are sufficient. */
import {type Blame} from './blame.js';
import {type Invocation, isGiven} from './invocation.js';
import {passphraseOptions} from './merge.js';
import {type OptionName, options, type Settings} from './options.js';
import {describeOrigin, type Problem} from './origin.js';

export function checkCipher(invocation: Invocation, blame: Blame): readonly Problem[] {
	const {settings} = invocation.merged;
	const sources = passphraseOptions.filter(name => isSet(settings, name));
	return [
		...severalPassphrases(sources, blame),
		...passphraseWithRecipients(invocation),
		...missingKeys(invocation, sources.length > 0 || Boolean(invocation.env['PGBK_CIPHER_PASS']), blame),
	];
}

function isSet(settings: Settings, name: OptionName): boolean {
	return isGiven(settings[name as keyof Settings]);
}

function severalPassphrases(sources: readonly OptionName[], blame: Blame): readonly Problem[] {
	const [, second] = sources;
	if (second === undefined) return [];
	return [blame(second, `only one of ${sources.map(name => options[name].key).join(', ')} may be given`)];
}

/** A passphrase on the command line with recipients in the file is ambiguous. */
function passphraseWithRecipients({merged, commandLine: {values}}: Invocation): readonly Problem[] {
	const {settings} = merged;
	const passGiven = passphraseOptions.some(name => isGiven(values.get(name)));
	const name = (['cipherPublicKey', 'cipherRecipientsFile'] as const).find(one => isSet(settings, one));
	const recipientsGiven = values.has('cipherPublicKey') || values.has('cipherRecipientsFile');
	if (!passGiven || name === undefined || recipientsGiven || settings.decrypt) return [];
	const text = `a passphrase on the command line cannot be combined with ${options[name].key} (${describeOrigin(merged.origin(name))})`;
	return [{on: 'command line', text}];
}

function missingKeys(
	{merged: {settings}, terminal}: Invocation,
	passphrase: boolean,
	blame: Blame,
): readonly Problem[] {
	if (passphrase) return [];
	const recipients = isSet(settings, 'cipherPublicKey') || isSet(settings, 'cipherRecipientsFile');
	const identities = isSet(settings, 'cipherPrivateKey') || isSet(settings, 'cipherIdentityFile');
	if (settings.encrypt && !settings.decrypt && !recipients) {
		return [
			blame(
				'encrypt',
				'needs cipher_public_key, cipher_recipients_file, or a passphrase (cipher_pass_file, PGBK_CIPHER_PASS)',
			),
		];
	}
	if (settings.decrypt && !identities && !terminal) {
		return [
			blame(
				'decrypt',
				'needs cipher_private_key, cipher_identity_file, or a passphrase (cipher_pass_file, PGBK_CIPHER_PASS)',
			),
		];
	}
	return [];
}
