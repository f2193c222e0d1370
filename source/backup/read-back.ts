/** `verify = full`: reads back what was written before it gets its name. */
import {constants} from 'node:fs';
import {open} from 'node:fs/promises';
import {PgBackError} from '../core/errors.js';
import {parsePath} from '../retention/names.js';
import type {DecryptionKeys} from '../stages/age/load-keys.js';
import type {PendingFile} from '../stages/artifact.js';
import {counted} from '../stages/dump.js';
import {readHandle} from '../stages/hash.js';
import type {Meter} from '../stages/meter.js';
import {dumpKind, readDirectoryDump, readDump, type VerifyTools} from '../stages/read-dump.js';

export type ReadBack = {
	readonly tools: VerifyTools;
	/** Without keys an encrypted file is only compared with its checksums. */
	readonly keys: DecryptionKeys | undefined;
};

/** Returns true for files that `readBackFile` reads to the end of their content. */
export function canReadBack({role, encrypted, directory}: PendingFile, {keys}: ReadBack): boolean {
	return (role === 'dump' || role === 'globals') && (!encrypted || (keys !== undefined && !directory));
}

/**
 * Reads a file. Throws CORRUPT. Returns for people how it was read; undefined when there was nothing to read (a
 * checksum, a text of ours).
 */
export async function readBackFile(
	file: PendingFile,
	{tools, keys}: ReadBack,
	signal: AbortSignal,
	meter: Meter,
): Promise<string | undefined> {
	if (file.role !== 'dump' && file.role !== 'globals') return undefined;
	if (file.encrypted && !keys) return 'hashed, not read back (no key to decrypt with)';
	const within = {...tools, signal};
	try {
		if (file.directory) return file.encrypted ? 'each member hashed' : await readDirectoryDump(file.partial, within);
		const kind = dumpKind(parsePath(file.finalPath)?.suffix ?? '');
		const handle = await open(file.partial, constants.O_RDONLY | constants.O_NOFOLLOW);
		try {
			const bytes = counted(readHandle(handle, signal), count => meter.count('verify', count));
			const plain =
				file.encrypted && keys ? (await import('../stages/age/decrypt.js')).decryptStream(bytes, keys, signal) : bytes;
			return await readDump(plain, kind, within);
		} finally {
			await handle.close();
		}
	} catch (error) {
		if (!(error instanceof PgBackError) || error.code !== 'CORRUPT') throw error;
		throw new PgBackError('CORRUPT', `cannot read back what was written: ${error.message}`, {
			cause: error,
			hint: 'the disk or the memory may be faulty; the file was discarded',
		});
	}
}
