/**
 * Passphrases (C2SP age, "The scrypt recipient type"). The scrypt of age-encryption blocks the main thread for more
 * than a second; this one runs in Node's thread pool, one at a time, because each needs 256 MiB and more.
 */
import {createCipheriv, createDecipheriv, randomBytes, scrypt} from 'node:crypto';
import {type Identity, type Recipient, Stanza} from 'age-encryption';
import {PgBackError} from '../../core/errors.js';

const label = 'age-encryption.org/v1/scrypt';
const saltSize = 16;
const blockSize = 8;
/** The work factor that age(1) writes. */
const workFactor = 18;
/** The highest work factor that age(1) accepts: 4 GiB of memory. */
const highestWorkFactor = 22;

let turn: Promise<void> = Promise.resolve();

/** Derives a key of 32 bytes after all earlier derivations of the process; rejects as soon as `signal` aborts. */
async function deriveKey(passphrase: Buffer, salt: Uint8Array, logN: number, signal: AbortSignal): Promise<Buffer> {
	signal.throwIfAborted();
	const derived = turn.then(() => {
		signal.throwIfAborted();
		return runScrypt(passphrase, Buffer.concat([Buffer.from(label), salt]), logN);
	});
	const ended = () => undefined; // the next derivation waits for this one, successful or not
	turn = derived.then(ended, ended);
	const {promise: aborted, reject} = Promise.withResolvers<never>();
	const onAbort = () => reject(signal.reason as Error);
	signal.addEventListener('abort', onAbort, {once: true});
	try {
		return await Promise.race([derived, aborted]);
	} finally {
		signal.removeEventListener('abort', onAbort);
	}
}

function runScrypt(passphrase: Buffer, salt: Buffer, logN: number): Promise<Buffer> {
	const N = 2 ** logN;
	return new Promise((resolve, reject) => {
		const settings = {N, r: blockSize, p: 1, maxmem: 128 * N * blockSize + 2 ** 20};
		scrypt(passphrase, salt, 32, settings, (error, key) => {
			if (!error) {
				resolve(key);
				return;
			}
			const hint = `it needs ${N / 1024} MiB of memory`;
			reject(
				new PgBackError('FAILED', `could not derive a key from the passphrase: ${error.message}`, {cause: error, hint}),
			);
		});
	});
}

/** Encrypts to a passphrase, with the same work factor as age(1). */
export function scryptRecipient(passphrase: Buffer, signal: AbortSignal): Recipient {
	return {
		async wrapFileKey(fileKey) {
			const salt = randomBytes(saltSize);
			const key = await deriveKey(passphrase, salt, workFactor, signal);
			const cipher = createCipheriv('chacha20-poly1305', key, Buffer.alloc(12), {authTagLength: 16});
			const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
			return [new Stanza(['scrypt', unpadded(salt), String(workFactor)], new Uint8Array(body))];
		},
	};
}

/**
 * Decrypts with a passphrase. Throws for a malformed stanza; returns null when there is none or the passphrase is
 * another.
 */
export function scryptIdentity(passphrase: Buffer, signal: AbortSignal): Identity {
	return {
		async unwrapFileKey(stanzas) {
			const stanza = stanzas.find(one => one.args[0] === 'scrypt');
			if (!stanza) return null;
			const {salt, logN} = parseStanza(stanza);
			return openFileKey(stanza.body, await deriveKey(passphrase, salt, logN, signal));
		},
	};
}

/** Parses a scrypt stanza. Throws an Error that describes the problem. */
export function parseStanza(stanza: Stanza): {readonly salt: Buffer; readonly logN: number} {
	const [, saltText = '', logText = '', ...more] = stanza.args;
	const salt = Buffer.from(saltText, 'base64');
	if (more.length > 0 || salt.length !== saltSize || unpadded(salt) !== saltText)
		throw new Error('invalid scrypt stanza');
	if (!/^[1-9][0-9]*$/.test(logText) || stanza.body.length !== 32) throw new Error('invalid scrypt stanza');
	const logN = Number(logText);
	if (logN > highestWorkFactor) throw new Error(`scrypt work factor ${logText} is too high`);
	return {salt, logN};
}

function openFileKey(body: Uint8Array, key: Buffer): Uint8Array | null {
	const decipher = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), {authTagLength: 16});
	decipher.setAuthTag(body.subarray(16));
	const fileKey = decipher.update(body.subarray(0, 16));
	try {
		decipher.final();
	} catch {
		return null; // another passphrase
	}
	return new Uint8Array(fileKey);
}

function unpadded(bytes: Buffer): string {
	return bytes.toString('base64').replace(/=+$/, '');
}
