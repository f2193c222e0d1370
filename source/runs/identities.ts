/** Loads the configured keys. The code of age is loaded only when there are some. */
import type {DecryptionKeys, EncryptionKeys, KeyContext} from '../stages/age/load-keys.js';
import type {SecretContext} from './context.js';
import {hasDecryptionMaterial, keyMaterial} from './key-material.js';

/** Loads and checks the configured key material for encryption. Throws CONFIG before any work. */
export async function loadRunEncryption(run: SecretContext): Promise<EncryptionKeys> {
	const all = keyMaterial(run);
	const usesKeys = all.publicKeys.length > 0 || all.recipientsFiles.length > 0;
	// With both a public key and a passphrase configured, files are encrypted to the key, as in 2.x; the configuration
	// check has warned.
	const keys = usesKeys
		? {...all, passphrase: undefined, passphraseFile: undefined, passphraseCommand: undefined}
		: all;
	const {loadEncryptionKeys} = await import('../stages/age/load-keys.js');
	return loadEncryptionKeys(keys, contextOf(run));
}

/** Loads the configured key material for decryption. */
export async function loadRunDecryption(run: SecretContext): Promise<DecryptionKeys> {
	const {loadDecryptionKeys} = await import('../stages/age/load-keys.js');
	return loadDecryptionKeys(keyMaterial(run), contextOf(run));
}

/** Loads the configured key material for decryption; undefined if there is none, and then the user is not asked. */
export async function loadConfiguredDecryption(run: SecretContext): Promise<DecryptionKeys | undefined> {
	return hasDecryptionMaterial(run) ? loadRunDecryption(run) : undefined;
}

function contextOf(run: SecretContext): KeyContext {
	return {
		env: run.env,
		signal: run.signal,
		commandTimeout: run.configuration.settings.keyCommandTimeout,
		onWarning: text => run.emit({type: 'log', level: 'warn', text}),
		...(run.askSecret && {askPassphrase: run.askSecret}),
	};
}
