import {stat} from 'node:fs/promises';
import {describeSystemError, isSystemError, PgBackError} from '../../core/errors.js';
import {openGivenFile, readToEnd} from '../../lib/given-file.js';
import {whyUntrusted} from '../../lib/trusted-file.js';

/** Bytes; far more than any key file, so that a dump given by mistake is not read into memory. */
const largest = 4 * 1024 * 1024;

export type KeyFileOptions = {
	/** Called when users other than its owner may read the file. */
	readonly onWarning?: ((text: string) => void) | undefined;
	/** Ends the wait for what a pipe provides. */
	readonly signal?: AbortSignal;
};

/** Reads a file with keys or a passphrase. Throws CONFIG, naming the file. */
export async function readKeyFile(path: string, {onWarning, signal}: KeyFileOptions = {}): Promise<Buffer> {
	try {
		const handle = await openGivenFile(path);
		try {
			const stats = await handle.stat();
			if (onWarning && stats.isFile() && (stats.mode & 0o077) !== 0) {
				const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
				onWarning(`${path} contains a secret and has mode ${mode}: make it readable only by its owner (chmod 600)`);
			}
			if (stats.size > largest) throw new PgBackError('CONFIG', `${path}: too large for a key file`);
			// A device may claim no size, and never end.
			return await readToEnd(handle, path, {limit: largest, signal});
		} finally {
			await handle.close();
		}
	} catch (error) {
		signal?.throwIfAborted();
		if (!isSystemError(error)) throw error;
		throw new PgBackError('CONFIG', `could not read ${path}${withoutCall(error)}`, {cause: error});
	}
}

/**
 * Reads a file that determines who can decrypt the dumps, like `readKeyFile`. Throws CONFIG when users other than root
 * and ours can change it; anything that is not a regular file (a pipe) was provided by our caller.
 */
export async function readEncryptionFile(
	path: string,
	{onWarning, signal}: Required<KeyFileOptions> & {readonly onWarning: (text: string) => void},
	{isSecret}: {readonly isSecret: boolean},
): Promise<Buffer> {
	const bytes = await readKeyFile(path, {signal, onWarning: isSecret ? onWarning : undefined});
	const isFile = await stat(path).then(
		stats => stats.isFile(),
		() => false, // it has been read: a pipe that no longer exists
	);
	const {problem, weakness} = isFile ? await whyUntrusted(path) : {};
	if (problem !== undefined) {
		throw new PgBackError('CONFIG', `${path} is not used to encrypt: ${problem}`, {
			hint: 'who can change it can read all future dumps: it must belong to root or to the user that runs pg_back, and be writable by nobody else (chown, chmod)',
		});
	}
	if (weakness !== undefined) onWarning(`${weakness}, and it decides who can read the dumps`);
	return bytes;
}

/** Returns true for a file of private keys that is itself an age file; `file` is its beginning, or all of it. */
export function isProtected(file: Buffer | string): boolean {
	const text = typeof file === 'string' ? file : file.toString('latin1', 0, 2048);
	return /^\s*(age-encryption\.org\/|-----BEGIN AGE )/.test(text);
}

function withoutCall(error: Parameters<typeof describeSystemError>[0]): string {
	return describeSystemError({name: error.name, message: error.message, code: error.code, errno: error.errno});
}
