/** Which key material is configured; says little of what it is worth, and loads nothing that could tell. */
import type {MissingSecret} from '../core/handle.js';
import {isProtected, readKeyFile} from '../stages/age/key-file.js';
import type {KeyMaterial} from '../stages/age/keys.js';
import type {RunContext} from './context.js';

/** True when something is configured that decrypts: nobody is asked. */
export function hasDecryptionMaterial(run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>): boolean {
	const material = keyMaterial(run);
	const {privateKeys, identityFiles, environmentPassphrase} = material;
	const some = hasPassphrase(material) || environmentPassphrase !== undefined;
	return some || privateKeys.length > 0 || identityFiles.length > 0;
}

function hasPassphrase({passphrase, passphraseFile, passphraseCommand}: KeyMaterial): boolean {
	return (passphrase ?? passphraseFile ?? passphraseCommand) !== undefined;
}

/** For who can ask a person, but not in the middle of the work. */
export async function missingSecret(
	run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>,
): Promise<MissingSecret | undefined> {
	if (!hasDecryptionMaterial(run)) return {kind: 'key'};
	const material = keyMaterial(run);
	// A configured passphrase is taken for that of the identity files.
	if (hasPassphrase(material) || material.identityPassphrase !== undefined) return undefined;
	for (const path of material.identityFiles) {
		const bytes = await readKeyFile(path).catch(() => undefined); // told by whoever decrypts
		if (bytes && isProtected(bytes)) return {kind: 'identity passphrase', path};
	}
	return undefined;
}

/** Secrets that were asked for on the way beat all that is configured. */
export function keyMaterial(run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>): KeyMaterial {
	const {settings} = run.configuration;
	const text = (value: string) => (value === '' ? undefined : value);
	const {passphrase, privateKey, identityPassphrase} = run.secrets ?? {};
	if (passphrase !== undefined || privateKey !== undefined) {
		return {
			passphrase,
			publicKeys: [],
			recipientsFiles: [],
			privateKeys: privateKey === undefined ? [] : [privateKey],
			identityFiles: [],
			typed: true,
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
		identityPassphrase,
		environmentPassphrase: run.env['PGBK_CIPHER_PASS'],
	};
}
