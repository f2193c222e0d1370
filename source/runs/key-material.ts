/** Determines which key material is configured, without loading or checking it. */
import {stat} from 'node:fs/promises';
import type {MissingSecret} from '../core/handle.js';
import {expandHome} from '../lib/complete-path.js';
import {isProtected, readKeyFile} from '../stages/age/key-file.js';
import type {KeyMaterial} from '../stages/age/load-keys.js';
import type {RunContext} from './context.js';

/** Returns true when anything that decrypts is configured, so that the user is not asked. */
export function hasDecryptionMaterial(run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>): boolean {
	const material = keyMaterial(run);
	const {privateKeys, identityFiles, environmentPassphrase} = material;
	const some = hasPassphrase(material) || environmentPassphrase !== undefined;
	return some || privateKeys.length > 0 || identityFiles.length > 0;
}

function hasPassphrase({passphrase, passphraseFile, passphraseCommand}: KeyMaterial): boolean {
	return (passphrase ?? passphraseFile ?? passphraseCommand) !== undefined;
}

/** Returns the secret to ask for before the work starts. */
export async function missingSecret(
	run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>,
): Promise<MissingSecret | undefined> {
	if (!hasDecryptionMaterial(run)) return {kind: 'key'};
	const material = keyMaterial(run);
	// A configured passphrase is also tried for the identity files.
	if (hasPassphrase(material) || material.identityPassphrase !== undefined) return undefined;
	for (const path of material.identityFiles) {
		const stats = await stat(path).catch(() => undefined);
		if (stats?.isFile() !== true) continue; // a pipe can be read only once, by the decryption
		const bytes = await readKeyFile(path).catch(() => undefined); // reported by the decryption itself
		if (bytes && isProtected(bytes)) return {kind: 'identity passphrase', path};
	}
	return undefined;
}

/** Returns the key material; secrets entered by the user take precedence over configured ones. */
export function keyMaterial(run: Pick<RunContext, 'configuration' | 'env' | 'secrets'>): KeyMaterial {
	const {settings} = run.configuration;
	const text = (value: string) => (value === '' ? undefined : value);
	const {passphrase, privateKey, keyFile, identityPassphrase} = run.secrets ?? {};
	if (passphrase !== undefined || privateKey !== undefined || keyFile !== undefined) {
		return {
			passphrase,
			publicKeys: [],
			recipientsFiles: [],
			privateKeys: privateKey === undefined ? [] : [privateKey],
			identityFiles: keyFile === undefined ? [] : [expandHome(keyFile, run.env['HOME'])],
			identityPassphrase,
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
