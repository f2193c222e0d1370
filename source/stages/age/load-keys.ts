/** Loads keys from options, files and prompts: everything is read, parsed and checked here, before any work starts. */
import {messageOf, PgBackError} from '../../core/errors.js';
import {createDecryptor} from './decrypt.js';
import {type DecryptionKeys, parseIdentities} from './identities.js';
import {isProtected, readEncryptionFile, readKeyFile} from './key-file.js';
import {checkPassphrase, type KeyContext, type PassphraseMaterial, readPassphrase} from './passphrase.js';
import {
	type EncryptionKeys,
	parseRecipients,
	passphraseEncryption,
	type RecipientText,
	tryRecipients,
} from './recipients.js';

export {type DecryptionKeys, parseIdentities} from './identities.js';
export type {KeyContext} from './passphrase.js';
export {type EncryptionKeys, parseRecipients, passphraseEncryption} from './recipients.js';

export type KeyMaterial = PassphraseMaterial & {
	readonly publicKeys: readonly string[];
	/** Paths of files with one public key per line. */
	readonly recipientsFiles: readonly string[];
	readonly privateKeys: readonly string[];
	/** They were typed by the user instead of configured. */
	readonly typed?: boolean;
	/** Paths of files with private keys, plain or encrypted with a passphrase. */
	readonly identityFiles: readonly string[];
	/** The passphrase of the identity files, if it differs from the other one. */
	readonly identityPassphrase?: string | undefined;
};

/**
 * Loads the keys to encrypt with. Public keys together with a passphrase are rejected; PGBK_CIPHER_PASS and the prompt
 * are only used when neither is configured. Throws CONFIG, or the error of `askPassphrase`.
 */
export async function loadEncryptionKeys(material: KeyMaterial, context: KeyContext): Promise<EncryptionKeys> {
	const texts: RecipientText[] = material.publicKeys.map(text => ({text, source: 'cipher_public_key'}));
	for (const path of material.recipientsFiles) {
		const bytes = await readEncryptionFile(path, context, {isSecret: false});
		texts.push(...linesOfRecipients(bytes.toString(), path));
	}
	const passphrase = await readPassphrase(material, context);
	if (texts.length > 0 || material.recipientsFiles.length > 0) {
		if (passphrase) {
			throw new PgBackError('CONFIG', 'a passphrase and public keys cannot be used together for encryption', {
				hint: 'remove one of them',
			});
		}
		const keys = parseRecipients(texts);
		await tryRecipients(keys);
		return keys;
	}
	const secret = passphrase ?? material.environmentPassphrase;
	if (secret !== undefined) return passphraseEncryption(secret);
	if (!context.askPassphrase) {
		throw new PgBackError('CONFIG', 'encryption needs a public key or a passphrase', {
			hint: 'set cipher_public_key, cipher_pass or PGBK_CIPHER_PASS',
		});
	}
	const first = checkPassphrase(await context.askPassphrase('passphrase to encrypt with'), 'prompt');
	const second = Buffer.from(await context.askPassphrase('repeat the passphrase'));
	if (!first.equals(second)) throw new PgBackError('CONFIG', 'the two passphrases differ');
	return passphraseEncryption(first);
}

/**
 * Loads the keys to decrypt with: all private keys and the passphrase. PGBK_CIPHER_PASS and the prompt are only used
 * when nothing else is configured. Throws CONFIG, WRONG_KEY for a protected identity file, or the error of
 * `askPassphrase`.
 */
export async function loadDecryptionKeys(material: KeyMaterial, context: KeyContext): Promise<DecryptionKeys> {
	const passphrase = await readPassphrase(material, context);
	const identities = new Set<string>();
	const source = material.typed ? 'the entered key' : 'cipher_private_key';
	for (const text of material.privateKeys) for (const one of parseIdentities(text, source)) identities.add(one);
	const {identityFiles, identityPassphrase} = material;
	const passphrases = [
		...(passphrase ? [passphrase] : []),
		...(identityPassphrase === undefined ? [] : [checkPassphrase(identityPassphrase, 'prompt')]),
	];
	for (const path of identityFiles) {
		for (const one of await readIdentityFile(path, passphrases, context)) identities.add(one);
	}
	if (identities.size > 0 || passphrase)
		return {identities: [...identities], passphrases: passphrase ? [passphrase] : []};
	if (material.environmentPassphrase !== undefined) {
		return {identities: [], passphrases: [checkPassphrase(material.environmentPassphrase, 'PGBK_CIPHER_PASS')]};
	}
	if (!context.askPassphrase) {
		throw new PgBackError('CONFIG', 'decryption needs a private key or a passphrase', {
			hint: 'set --cipher-identity-file, --cipher-pass-file or PGBK_CIPHER_PASS',
		});
	}
	return {
		identities: [],
		passphrases: [checkPassphrase(await context.askPassphrase('passphrase to decrypt with'), 'prompt')],
	};
}

/**
 * Returns the public keys in the text of a file, one per line, each with its line number. Throws CONFIG when there is
 * none.
 */
export function linesOfRecipients(text: string, path: string): readonly RecipientText[] {
	const lines = text.split('\n').map((line, index) => ({text: line.trim(), source: `${path}:${index + 1}`}));
	const keys = lines.filter(line => line.text !== '' && !line.text.startsWith('#'));
	if (keys.length === 0) throw new PgBackError('CONFIG', `${path}: contains no public key`);
	return keys;
}

async function readIdentityFile(
	path: string,
	passphrases: readonly Buffer[],
	context: KeyContext,
): Promise<readonly string[]> {
	const bytes = await readKeyFile(path, context);
	if (!isProtected(bytes)) return parseIdentities(bytes.toString(), path);
	const text = await unlock(bytes, path, passphrases, context);
	return parseIdentities(text, path);
}

/** Decrypts an identity file that is itself an age file. Known passphrases are tried first, then the user is asked. */
async function unlock(
	bytes: Buffer,
	path: string,
	passphrases: readonly Buffer[],
	context: KeyContext,
): Promise<string> {
	const ask = context.askPassphrase;
	for (const [index, passphrase] of passphrases.entries()) {
		try {
			return await decryptText(bytes, passphrase, context.signal);
		} catch (error) {
			const more = ask !== undefined || index + 1 < passphrases.length;
			if (!(error instanceof PgBackError) || error.code !== 'WRONG_KEY' || !more) throw about(path, error);
		}
	}
	if (!ask) {
		throw new PgBackError('CONFIG', `${path}: this identity file is protected by a passphrase`, {
			hint: 'set its passphrase with --cipher-pass-file, or run on a terminal',
		});
	}
	const answer = checkPassphrase(await ask(`passphrase of ${path}`), 'prompt');
	try {
		return await decryptText(bytes, answer, context.signal);
	} catch (error) {
		throw about(path, error);
	}
}

async function decryptText(bytes: Buffer, passphrase: Buffer, signal: AbortSignal): Promise<string> {
	const decryptor = createDecryptor({passphrases: [passphrase], identities: []}, signal);
	const pieces = [...(await decryptor.push(bytes)), ...(await decryptor.final())];
	return Buffer.concat(pieces).toString();
}

function about(path: string, error: unknown): unknown {
	if (!(error instanceof PgBackError) || error.code === 'CANCELLED') return error;
	return new PgBackError(error.code, `${path}: ${messageOf(error)}`, {hint: error.hint, cause: error});
}
