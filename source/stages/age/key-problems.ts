/** What is wrong with keys as they stand in the configuration, all of it at once, before they are needed. No secret is shown. */
import {stat} from 'node:fs/promises';
import {PgBackError} from '../../core/errors.js';
import {linesOfIdentities, parseIdentities} from './identities.js';
import {isProtected, readKeyFile} from './key-file.js';
import {linesOfRecipients, type KeyMaterial} from './keys.js';
import {parseRecipients, type RecipientText} from './recipients.js';

export type KeyPart = 'publicKeys' | 'recipientsFiles' | 'privateKeys' | 'identityFiles';

/** The part of the key material that is at fault, and one line. */
export type KeyProblem = {readonly part: KeyPart; readonly text: string};

/** What is wrong with the public keys, or with the file of the passphrase that stands in for them. */
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

/** What is wrong with the private keys. A file of them that is itself encrypted is not looked into. */
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

/** Undefined for a pipe, such as a shell's `<(command)`: it gives what it has only once, and that is when it is needed. */
async function readWhatMayBeReadAgain(path: string): Promise<string | undefined> {
	const stats = await stat(path).catch(() => undefined);
	if (stats !== undefined && !stats.isFile() && !stats.isDirectory()) return undefined;
	return (await readKeyFile(path)).toString();
}
