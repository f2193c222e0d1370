/**
 * Writes one range of a table as a member of a directory dump, as pg_dump writes a whole table, and reads it back before
 * it gets its name.
 */
import {rename} from 'node:fs/promises';
import {basename} from 'node:path';
import {messageOf, PgBackError} from '../core/errors.js';
import {compressedSuffixes, type Compression, levelOf, methodOf} from '../lib/compression.js';
import {createPartial, discardPartial} from '../lib/files.js';
import type {CopyReader} from '../postgres/copy-session.js';
import type {GzipPiece} from './gzip-pieces.js';
import type {MemberCompression} from './member-compression.js';
import {copyInWorker, countInWorker} from './pipeline-thread.js';

/**
 * Returns how pg_dump compresses with this `-Z` (undefined: its default); undefined for what Node.js cannot write: lz4,
 * and zstd in its long mode.
 */
export function memberCompression(compression: Compression | undefined): MemberCompression | undefined {
	const value = compression !== undefined && /^\d$/.test(String(compression)) ? Number(compression) : compression;
	const method = value === undefined ? 'gzip' : (methodOf(value) ?? 'gzip');
	if (method === 'lz4' || /[:,]long(?!=(?:off|false|no|0))/.test(String(value))) return undefined;
	const level = typeof value === 'number' ? value : value === undefined ? undefined : levelOf(value);
	if (method === 'none' || (method === 'gzip' && level === 0)) return {method: 'none', level: undefined};
	return {method, level: level === undefined || level < 0 ? undefined : level};
}

/** Returns the suffix that pg_restore looks for. */
export function memberSuffix({method}: MemberCompression): string {
	return method === 'none' ? '' : `.${compressedSuffixes[method]}`;
}

export type RangeMemberOptions = {
	/** The path of the member, with its suffix. */
	readonly path: string;
	readonly compression: MemberCompression;
	/** The six characters of the run. */
	readonly run: string;
	readonly signal: AbortSignal;
	/** Called with the number of bytes of the COPY as they arrive. */
	readonly onBytes: (bytes: number) => void;
};

const faulty = 'the disk or the memory may be faulty; the dump was discarded';

/**
 * Writes the output of the COPY that `copy` runs, in a worker. Returns its rows, which were counted in the written file too. Throws
 * CORRUPT when the numbers differ, and the errors of the session and of the file system; the partial file is then
 * removed. The member is not flushed.
 */
export async function writeRangeMember(
	copy: (reader: CopyReader) => Promise<number>,
	options: RangeMemberOptions,
): Promise<number> {
	const {path, compression, run, signal, onBytes} = options;
	const {path: partial, handle} = await createPartial(path, run, undefined);
	try {
		let pieces: readonly GzipPiece[] = [];
		const rows = await copy(async output => {
			const request = {...output, file: handle.fd, compression};
			const copied = await copyInWorker(request, {path, signal, onBytes});
			({pieces} = copied);
			return copied.state;
		});
		await handle.close();
		const name = basename(path);
		const written = await countInWorker({path: partial, pieces, compression}, signal).catch((error: unknown) => {
			signal.throwIfAborted();
			const text = `${name} cannot be read back: ${messageOf(error)}`;
			throw new PgBackError('CORRUPT', text, {hint: faulty, cause: error});
		});
		if (written !== rows) {
			throw new PgBackError('CORRUPT', `${name} was read back with ${written} rows instead of ${rows}`, {
				hint: faulty,
			});
		}
		await rename(partial, path);
		return rows;
	} catch (error) {
		await handle.close().catch(() => undefined); // closed already
		await discardPartial(partial);
		throw error;
	}
}
