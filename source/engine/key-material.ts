/** Which key material is configured; says nothing of what it is worth, and loads nothing that could tell. */
import type {KeyMaterial} from '../stages/age/keys.js';
import type {RunContext} from './context.js';

/** True when something is configured that decrypts: nobody is asked. */
export function hasDecryptionMaterial(run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>): boolean {
	const {passphrase, passphraseFile, passphraseCommand, privateKeys, identityFiles, environmentPassphrase} =
		keyMaterial(run);
	const some = passphrase ?? passphraseFile ?? passphraseCommand ?? environmentPassphrase;
	return some !== undefined || privateKeys.length > 0 || identityFiles.length > 0;
}

/** Secrets that were asked for on the way beat all that is configured. */
export function keyMaterial(run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>): KeyMaterial {
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
