import {
	loadDecryptionKeys,
	loadEncryptionKeys,
	type DecryptionKeys,
	type EncryptionKeys,
	type KeyContext,
} from '../stages/age/keys.js';
import type {RunContext} from './context.js';
import {keyMaterial} from './key-material.js';

/** The configured key material for encryption, parsed and checked. Throws CONFIG before any work. */
export async function loadRunEncryption(run: RunContext): Promise<EncryptionKeys> {
	const all = keyMaterial(run);
	const usesKeys = all.publicKeys.length > 0 || all.recipientsFiles.length > 0;
	// A file with a public key and a passphrase encrypts to the key, as ever; the configuration has warned.
	const keys = usesKeys
		? {...all, passphrase: undefined, passphraseFile: undefined, passphraseCommand: undefined}
		: all;
	return loadEncryptionKeys(keys, context(run));
}

/** The configured key material for decryption. */
export async function loadRunDecryption(run: RunContext): Promise<DecryptionKeys> {
	return loadDecryptionKeys(keyMaterial(run), context(run));
}

function context(run: RunContext): KeyContext {
	return {
		env: run.env,
		signal: run.signal,
		onWarning: text => run.emit({type: 'log', level: 'warn', text}),
		...(run.askSecret && {askPassphrase: run.askSecret}),
	};
}
