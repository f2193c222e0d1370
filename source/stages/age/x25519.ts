/**
 * Creates headers for ordinary public keys (C2SP age, "The X25519 recipient type") with node:crypto. Each file needs
 * one, and the JavaScript library takes several milliseconds, most of the time of a small file.
 */
import {
	createCipheriv,
	createHmac,
	createPublicKey,
	diffieHellman,
	generateKeyPairSync,
	hkdfSync,
	type KeyObject,
	randomBytes,
} from 'node:crypto';

const label = 'age-encryption.org/v1/X25519';
const fileKeySize = 16;
/** The bytes before the 32 bytes of a key in its SubjectPublicKeyInfo (RFC 8410). */
const spkiPrefix = Buffer.from('302a300506032b656e032100', 'hex');
const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

export type FileHeader = {readonly headerText: Buffer; readonly fileKey: Uint8Array};

/**
 * Returns the header of a new file for `recipients`, which have been parsed and tried (recipients.ts), and its new file
 * key. Returns undefined when one of them has another type.
 */
export function x25519Header(recipients: readonly string[]): FileHeader | undefined {
	const keys = recipients.map(publicKeyOf);
	if (keys.length === 0 || keys.includes(undefined)) return undefined;
	const fileKey = randomBytes(fileKeySize);
	const stanzas = keys.map(key => (key ? stanzaFor(key, fileKey) : ''));
	const start = `age-encryption.org/v1\n${stanzas.join('')}---`;
	const macKey = Buffer.from(hkdfSync('sha256', fileKey, '', 'header', 32));
	const mac = createHmac('sha256', macKey).update(start).digest();
	return {headerText: Buffer.from(`${start} ${unpadded(mac)}\n`), fileKey};
}

type PublicKey = {readonly raw: Buffer; readonly key: KeyObject};

const known = new Map<string, PublicKey>();

function publicKeyOf(recipient: string): PublicKey | undefined {
	const raw = /^age1[02-9ac-hj-np-z]{58}$/.test(recipient) ? decode(recipient.slice(4, -6)) : undefined;
	if (!raw) return undefined;
	const one = known.get(recipient) ?? {
		raw,
		key: createPublicKey({key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki'}),
	};
	known.set(recipient, one);
	return one;
}

/** Returns the bytes of the data part of Bech32 (BIP 173), without its checksum, which was checked before. */
function decode(text: string): Buffer {
	const bytes: number[] = [];
	let bits = 0;
	let value = 0;
	for (const letter of text) {
		value = ((value << 5) | alphabet.indexOf(letter)) & 0xfff;
		bits += 5;
		if (bits < 8) continue;
		bits -= 8;
		bytes.push((value >> bits) & 0xff);
	}
	return Buffer.from(bytes);
}

function stanzaFor({raw, key}: PublicKey, fileKey: Uint8Array): string {
	const ephemeral = generateKeyPairSync('x25519');
	const share = ephemeral.publicKey.export({format: 'der', type: 'spki'}).subarray(spkiPrefix.length);
	const secret = diffieHellman({privateKey: ephemeral.privateKey, publicKey: key});
	const wrapKey = Buffer.from(hkdfSync('sha256', secret, Buffer.concat([share, raw]), label, 32));
	const cipher = createCipheriv('chacha20-poly1305', wrapKey, Buffer.alloc(12), {authTagLength: 16});
	const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
	return `-> X25519 ${unpadded(share)}\n${unpadded(body)}\n`;
}

function unpadded(bytes: Buffer): string {
	return bytes.toString('base64').replace(/=+$/, '');
}
