import {Decrypter, type Stanza} from 'age-encryption';
import {PgBackError, messageOf} from '../../core/errors.js';
import {notAgeHint} from './armor.js';
import type {DecryptionKeys} from './identities.js';
import {parseStanza, scryptIdentity} from './scrypt.js';

const version = Buffer.from('age-encryption.org/v1\n');
/** More than two thousand post-quantum recipients. */
const longestHeader = 4 * 1024 * 1024;

/**
 * Bytes of the header at the start of `bytes`, or undefined when more are needed. Throws CORRUPT as soon as it is certain that
 * this is no age file.
 */
export function headerLength(bytes: Buffer): number | undefined {
	const compared = Math.min(bytes.length, version.length);
	if (bytes.compare(version, 0, compared, 0, compared) !== 0) {
		throw new PgBackError('CORRUPT', 'not an age file', {hint: notAgeHint});
	}
	const mac = bytes.indexOf('\n--- ');
	const end = mac < 0 ? -1 : bytes.indexOf('\n', mac + 1);
	if (end >= 0) return end + 1;
	if (bytes.length > longestHeader) throw new PgBackError('CORRUPT', 'damaged age header: it does not end');
	return undefined;
}

/** The file key that a header wraps. Throws WRONG_KEY when no key fits, and CORRUPT when the header is damaged. */
export async function openHeader(header: Uint8Array, keys: DecryptionKeys, signal: AbortSignal): Promise<Uint8Array> {
	const decrypter = new Decrypter();
	// First in line: what the format says of stanzas, whatever the keys are. Last in line: reached only when no key fitted.
	decrypter.addIdentity({unwrapFileKey: checkStanzas});
	for (const passphrase of keys.passphrases) decrypter.addIdentity(scryptIdentity(passphrase, signal));
	for (const identity of keys.identities) decrypter.addIdentity(identity);
	decrypter.addIdentity({
		unwrapFileKey(stanzas: Stanza[]) {
			throw wrongKey(stanzas, keys);
		},
	});
	try {
		return await decrypter.decryptHeader(header);
	} catch (error) {
		signal.throwIfAborted();
		if (error instanceof PgBackError) throw error;
		throw new PgBackError('CORRUPT', `damaged age header: ${messageOf(error)}`, {cause: error});
	}
}

function checkStanzas(stanzas: readonly Stanza[]): null {
	const scrypt = stanzas.find(stanza => stanza.args[0] === 'scrypt');
	if (scrypt && stanzas.length > 1) throw new Error('a passphrase together with other keys');
	if (scrypt) parseStanza(scrypt);
	return null;
}

function wrongKey(stanzas: readonly Stanza[], keys: DecryptionKeys): PgBackError {
	const types = [...new Set(stanzas.map(stanza => stanza.args[0] ?? ''))].filter(type =>
		/^[\w.@+/-]{1,40}$/.test(type),
	);
	if (types.includes('scrypt')) {
		return keys.passphrases.length > 0
			? new PgBackError('WRONG_KEY', 'wrong passphrase', {
					hint: 'give the passphrase that was in use when the dump was made',
				})
			: new PgBackError('WRONG_KEY', 'encrypted with a passphrase, and none was given', {hint: 'give the passphrase'});
	}
	if (keys.identities.length === 0) {
		return new PgBackError('WRONG_KEY', 'encrypted for a public key, and no private key was given', {
			hint: 'give the private key that belongs to the public key of the dump',
		});
	}
	const foreign = types.some(type => !['X25519', 'mlkem768x25519'].includes(type) && !type.endsWith('-grease'));
	return new PgBackError('WRONG_KEY', 'no private key fits', {
		hint: foreign
			? `encrypted for keys of type ${types.join(', ')}: the age program with its plugins may decrypt it`
			: 'give the private key that belongs to the public key in use when the dump was made',
	});
}
