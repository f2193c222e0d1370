import {Decrypter} from 'age-encryption';
import {PgBackError} from '../../core/errors.js';

/** The keys to decrypt with: every passphrase and private key is tried. Parsed and checked; never both empty. */
export type DecryptionKeys = {
	readonly passphrases: readonly Buffer[];
	/** AGE-SECRET-KEY-1… and AGE-SECRET-KEY-PQ-1… */
	readonly identities: readonly string[];
};

/**
 * Parses the private keys in `text`: one per line, with blank lines and `#` comments. `source` names the origin in
 * errors. Throws CONFIG for a malformed line (without showing it) and for a text without keys.
 */
export function parseIdentities(text: string, source: string): readonly string[] {
	return [...new Set(linesOfIdentities(text, source).map(line => checkIdentity(line.text, line.source)))];
}

/**
 * Returns the lines of `text` that should be private keys, each with its line number. Throws CONFIG when there is none.
 */
export function linesOfIdentities(
	text: string,
	source: string,
): readonly {readonly text: string; readonly source: string}[] {
	const several = text.trim().includes('\n');
	const lines = text
		.split('\n')
		.map((line, index) => ({text: line.trim(), source: several ? `${source}:${index + 1}` : source}))
		.filter(line => line.text !== '' && !line.text.startsWith('#'));
	if (lines.length === 0) throw new PgBackError('CONFIG', `${source}: contains no private key`, {hint: keyHint});
	return lines;
}

const keyHint = 'a private key starts with AGE-SECRET-KEY-1 or AGE-SECRET-KEY-PQ-1';

function checkIdentity(word: string, source: string): string {
	if (/^age1/i.test(word)) {
		throw new PgBackError('CONFIG', `${source}: this is a public key, expected a private key`, {hint: keyHint});
	}
	if (/^(-----BEGIN|AGE-PLUGIN-)/.test(word)) {
		const what = word.startsWith('AGE') ? 'a key of an age plugin' : 'an SSH or PEM key';
		throw new PgBackError('CONFIG', `${source}: ${what} is not supported`, {
			hint: 'decrypt with the age program: age -d -i KEYFILE -o FILE FILE.age',
		});
	}
	try {
		new Decrypter().addIdentity(word);
	} catch {
		// The library's error may quote characters of the key, so it is not kept as the cause.
		throw new PgBackError('CONFIG', `${source}: malformed private key`, {hint: keyHint});
	}
	return word;
}
