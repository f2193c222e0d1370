/** Checks that a directory dump has every file that its table of contents names. */
import {open} from 'node:fs/promises';
import {basename} from 'node:path';
import {PgBackError} from '../core/errors.js';
import {withoutCompressedSuffix} from '../lib/compression.js';
import {ArchivePlaceParser} from '../postgres/archive-toc.js';
import type {Content} from './artifact.js';
import {readHandle} from './hash.js';

/**
 * Returns the names of the members with data, without the suffix of their compression; undefined where there is no table
 * of contents of a known version. Throws CORRUPT for a truncated one.
 */
export async function expectedMembers(tocPath: string, signal: AbortSignal): Promise<ReadonlySet<string> | undefined> {
	const members = new Set<string>();
	const parser = new ArchivePlaceParser(({member}) => {
		if (member !== undefined) members.add(member);
	});
	try {
		const handle = await open(tocPath, 'r');
		try {
			const {buffer} = await handle.read(Buffer.alloc(5), 0, 5, 0);
			if (buffer.toString('latin1') !== 'PGDMP') return undefined;
			for await (const chunk of readHandle(handle, signal)) if (!parser.result()) parser.push(chunk);
		} finally {
			await handle.close();
		}
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		if (error instanceof PgBackError && error.code === 'TOOLS') return undefined;
		throw error;
	}
	if (!parser.result()) throw new PgBackError('CORRUPT', 'its table of contents is truncated');
	return members;
}

/** Returns what is missing; undefined when the dump has all members. */
export function missingMember(expected: ReadonlySet<string>, contents: readonly Content[]): string | undefined {
	const present = new Set<string>();
	for (const {name, plainSize} of contents) {
		const member = basename(name);
		// gzip has a header in any case; an empty large object is an empty file with zstd and lz4.
		if (plainSize === 0 && member.endsWith('.gz')) return `${member} is empty`;
		present.add(withoutCompressedSuffix(member));
	}
	const [missing, ...more] = [...expected].filter(member => !present.has(member));
	if (missing === undefined) return undefined;
	return `${missing} is missing${more.length > 0 ? `, and ${more.length} more` : ''}`;
}
