import {
	type DecryptionKeys,
	type EncryptionKeys,
	type KeyContext,
	loadDecryptionKeys,
	loadEncryptionKeys,
} from '../stages/age/load-keys.js';
import type {RunContext} from './context.js';
import {keyMaterial} from './key-material.js';

/** Loads and checks the configured key material for encryption. Throws CONFIG before any work. */
export async function loadRunEncryption(run: RunContext): Promise<EncryptionKeys> {
	const all = keyMaterial(run);
	const usesKeys = all.publicKeys.length > 0 || all.recipientsFiles.length > 0;
	// With both a public key and a passphrase configured, files are encrypted to the key, as in 2.x; the configuration
	// check has warned.
	const keys = usesKeys
		? {...all, passphrase: undefined, passphraseFile: undefined, passphraseCommand: undefined}
		: all;
	return loadEncryptionKeys(keys, context(run));
}

/** Loads the configured key material for decryption. */
export async function loadRunDecryption(run: RunContext): Promise<DecryptionKeys> {
	return loadDecryptionKeys(keyMaterial(run), context(run));
}

function context(run: RunContext): KeyContext {
	return {
		env: run.env,
		signal: run.signal,
		commandTimeout: run.configuration.settings.keyCommandTimeout,
		onWarning: text => run.emit({type: 'log', level: 'warn', text}),
		...(run.askSecret && {askPassphrase: run.askSecret}),
	};
}
