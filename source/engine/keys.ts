import {
	loadDecryptionKeys,
	loadEncryptionKeys,
	type DecryptionKeys,
	type EncryptionKeys,
	type KeyContext,
	type KeyMaterial,
} from '../stages/age/keys.js';
import type {RunContext} from './context.js';

/** The configured key material for encryption, parsed and checked. Throws CONFIG before any work. */
export async function loadRunEncryption(run: RunContext): Promise<EncryptionKeys> {
	const all = material(run);
	const usesKeys = all.publicKeys.length > 0 || all.recipientsFiles.length > 0;
	// A file with a public key and a passphrase encrypts to the key, as ever; the configuration has warned.
	const keys = usesKeys
		? {...all, passphrase: undefined, passphraseFile: undefined, passphraseCommand: undefined}
		: all;
	return loadEncryptionKeys(keys, context(run));
}

/** The configured key material for decryption. */
export async function loadRunDecryption(run: RunContext): Promise<DecryptionKeys> {
	return loadDecryptionKeys(material(run), context(run));
}

/** True when something is configured that decrypts: nobody is asked. */
export function hasDecryptionMaterial(run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>): boolean {
	const {passphrase, passphraseFile, passphraseCommand, privateKeys, identityFiles, environmentPassphrase} =
		material(run);
	const some = passphrase ?? passphraseFile ?? passphraseCommand ?? environmentPassphrase;
	return some !== undefined || privateKeys.length > 0 || identityFiles.length > 0;
}

function material(run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>): KeyMaterial {
	const {settings} = run.configuration;
	const text = (value: string) => (value === '' ? undefined : value);
	const {passphrase, privateKey} = run.secrets ?? {};
	if (passphrase !== undefined || privateKey !== undefined) {
		return {
			passphrase,
			publicKeys: [],
			recipientsFiles: [],
			privateKeys: privateKey === undefined ? [] : [privateKey],
			identityFiles: [],
		};
	}
	return {
		passphrase: text(settings.cipherPass),
		passphraseFile: text(settings.cipherPassFile),
		passphraseCommand: settings.cipherPassCommand.length > 0 ? settings.cipherPassCommand : undefined,
		publicKeys: settings.cipherPublicKey,
		recipientsFiles: settings.cipherRecipientsFile,
		privateKeys: [settings.cipherPrivateKey].filter(key => key !== ''),
		identityFiles: settings.cipherIdentityFile,
		environmentPassphrase: run.env['PGBK_CIPHER_PASS'],
	};
}

function context(run: RunContext): KeyContext {
	return {
		env: run.env,
		signal: run.signal,
		onWarning: text => run.emit({type: 'log', level: 'warn', text}),
		...(run.askSecret && {askPassphrase: run.askSecret}),
	};
}
