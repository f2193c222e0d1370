/** Finds every problem in configured keys before they are needed. No secret is shown. */
import {stat} from 'node:fs/promises';
import {PgBackError} from '../../core/errors.js';
import {linesOfIdentities, parseIdentities} from './identities.js';
import {isProtected, readKeyFile} from './key-file.js';
import {type KeyMaterial, linesOfRecipients} from './load-keys.js';
import {parseRecipients, type RecipientText} from './recipients.js';

export type KeyPart = 'publicKeys' | 'recipientsFiles' | 'privateKeys' | 'identityFiles';

/** The faulty part of the key material, and one line of text. */
export type KeyProblem = {readonly part: KeyPart; readonly text: string};

/** Returns the problems of the public keys, or of the passphrase file that replaces them. */
export async function encryptionKeyProblems(
	material: Pick<KeyMaterial, 'publicKeys' | 'recipientsFiles'>,
): Promise<readonly KeyProblem[]> {
	const found: KeyProblem[] = [];
	const good: RecipientText[] = [];
	const check = (part: KeyPart, recipient: RecipientText) =>
		collect(found, part, () => {
			parseRecipients([recipient]);
			good.push(recipient);
		});
	for (const text of material.publicKeys) await check('publicKeys', {text, source: ''});
	for (const path of material.recipientsFiles) {
		await collect(found, 'recipientsFiles', async () => {
			const text = await readWhatMayBeReadAgain(path);
			for (const line of text === undefined ? [] : linesOfRecipients(text, path)) await check('recipientsFiles', line);
		});
	}
	if (good.length > 1)
		await collect(found, material.recipientsFiles.length > 0 ? 'recipientsFiles' : 'publicKeys', () =>
			parseRecipients(good),
		);
	return found;
}

/** Returns the problems of the private keys. An encrypted file of private keys is not checked. */
export async function decryptionKeyProblems(
	material: Pick<KeyMaterial, 'privateKeys' | 'identityFiles'>,
): Promise<readonly KeyProblem[]> {
	const found: KeyProblem[] = [];
	for (const text of material.privateKeys) await collect(found, 'privateKeys', () => parseIdentities(text, ''));
	for (const path of material.identityFiles) {
		await collect(found, 'identityFiles', async () => {
			const text = await readWhatMayBeReadAgain(path);
			if (text === undefined || isProtected(text)) return;
			for (const {text: line, source} of linesOfIdentities(text, path))
				await collect(found, 'identityFiles', () => parseIdentities(line, source));
		});
	}
	return found;
}

async function collect(into: KeyProblem[], part: KeyPart, check: () => unknown): Promise<void> {
	try {
		await check();
	} catch (error) {
		if (!(error instanceof PgBackError) || error.code !== 'CONFIG') throw error;
		const text = error.message.replace(/^: /, '');
		into.push({part, text: error.hint === undefined ? text : `${text} (${error.hint})`});
	}
}

/**
 * Reads a key file unless it is a pipe, such as a shell's `<(command)`: that can be read only once, when it is needed.
 * Returns undefined for a pipe.
 */
async function readWhatMayBeReadAgain(path: string): Promise<string | undefined> {
	const stats = await stat(path).catch(() => undefined);
	if (stats !== undefined && !stats.isFile() && !stats.isDirectory()) return undefined;
	return (await readKeyFile(path)).toString();
}
