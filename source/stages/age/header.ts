import {Decrypter, type Stanza} from 'age-encryption';
import {messageOf, PgBackError} from '../../core/errors.js';
import {notAgeHint} from './armor.js';
import type {DecryptionKeys} from './identities.js';
import {describeIdentities} from './identity-recipients.js';
import {parseStanza, scryptIdentity} from './scrypt.js';

const version = Buffer.from('age-encryption.org/v1\n');
/** Bytes; room for more than two thousand post-quantum recipients. */
const longestHeader = 4 * 1024 * 1024;

/**
 * Returns the bytes of the header at the start of `bytes`, or undefined when more are needed. Throws CORRUPT as soon as
 * it is certain that this is not an age file.
 */
export function headerLength(bytes: Buffer): number | undefined {
	const compared = Math.min(bytes.length, version.length);
	if (bytes.compare(version, 0, compared, 0, compared) !== 0) {
		throw new PgBackError('CORRUPT', 'not an age file', {hint: notAgeHint});
	}
	const mac = bytes.indexOf('\n--- ');
	const end = mac < 0 ? -1 : bytes.indexOf('\n', mac + 1);
	if (end >= 0) return end + 1;
	if (bytes.length > longestHeader) throw new PgBackError('CORRUPT', 'damaged age header: unterminated');
	return undefined;
}

/** Returns the file key from a header. Throws WRONG_KEY when no key fits, and CORRUPT when the header is damaged. */
export async function openHeader(header: Uint8Array, keys: DecryptionKeys, signal: AbortSignal): Promise<Uint8Array> {
	const decrypter = new Decrypter();
	// The first identity checks the stanzas against the format, whatever the keys are. The last one is reached only when
	// no key fitted.
	decrypter.addIdentity({unwrapFileKey: checkStanzas});
	for (const passphrase of keys.passphrases) decrypter.addIdentity(scryptIdentity(passphrase, signal));
	for (const identity of keys.identities) decrypter.addIdentity(identity);
	decrypter.addIdentity({
		async unwrapFileKey(stanzas: Stanza[]) {
			throw await wrongKey(stanzas, keys);
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

async function wrongKey(stanzas: readonly Stanza[], keys: DecryptionKeys): Promise<PgBackError> {
	const types = [...new Set(stanzas.map(stanza => stanza.args[0] ?? ''))].filter(type =>
		/^[\w.@+/-]{1,40}$/.test(type),
	);
	if (types.includes('scrypt')) {
		return keys.passphrases.length > 0
			? new PgBackError('WRONG_KEY', 'wrong passphrase', {
					hint: 'use the passphrase that was set when the dump was made',
				})
			: new PgBackError('WRONG_KEY', 'encrypted with a passphrase, but none was given', {
					hint: 'provide the passphrase',
				});
	}
	if (keys.identities.length === 0) {
		return new PgBackError('WRONG_KEY', 'encrypted for a public key, but no private key was given', {
			hint: 'provide the private key that belongs to the public key of the dump',
		});
	}
	const foreign = types.some(type => !['X25519', 'mlkem768x25519'].includes(type) && !type.endsWith('-grease'));
	return new PgBackError('WRONG_KEY', `no private key matches (given: ${await describeIdentities(keys.identities)})`, {
		hint: foreign
			? `encrypted for keys of type ${types.join(', ')}: the age program with its plugins may be able to decrypt it`
			: 'provide the private key that belongs to the public key in use when the dump was made',
	});
}
