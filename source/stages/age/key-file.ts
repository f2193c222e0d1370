import {open} from 'node:fs/promises';
import {PgBackError, describeSystemError, isSystemError} from '../../core/errors.js';

/** Far more than any file of keys; a dump given by mistake is not read into memory. */
const largest = 4 * 1024 * 1024;

/**
 * The bytes of a file with keys or a passphrase. With `onWarning`, says so when others than its owner may read it. Throws CONFIG,
 * naming the file.
 */
export async function readKeyFile(path: string, onWarning?: (text: string) => void): Promise<Buffer> {
	try {
		const handle = await open(path);
		try {
			const stats = await handle.stat();
			if (onWarning && stats.isFile() && (stats.mode & 0o077) !== 0) {
				const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
				onWarning(`${path} holds a secret and has mode ${mode}: make it readable by its owner only (chmod 600)`);
			}
			if (stats.size > largest) throw new PgBackError('CONFIG', `${path}: too large for a file of keys`);
			return await handle.readFile();
		} finally {
			await handle.close();
		}
	} catch (error) {
		if (!isSystemError(error)) throw error;
		throw new PgBackError('CONFIG', `could not read ${path}${withoutCall(error)}`, {cause: error});
	}
}

/** True for a file of private keys that is itself an age file; `file` is its begin, or all of it. */
export function isProtected(file: Buffer | string): boolean {
	const text = typeof file === 'string' ? file : file.toString('latin1', 0, 2048);
	return /^\s*(age-encryption\.org\/|-----BEGIN AGE )/.test(text);
}

function withoutCall(error: Parameters<typeof describeSystemError>[0]): string {
	return describeSystemError({name: error.name, message: error.message, code: error.code, errno: error.errno});
}
