/** Reads tables of contents from archives of each format. */
import {corruptArchive} from './archive-bytes.js';
import {type ArchiveToc, ArchiveTocParser} from './archive-toc.js';

/**
 * Reads a table of contents. Throws CORRUPT when the source ends before the table does. The rest of the source is not
 * read.
 */
export async function readArchiveToc(source: AsyncIterable<Uint8Array>): Promise<ArchiveToc> {
	const parser = new ArchiveTocParser();
	for await (const chunk of source) {
		parser.push(chunk);
		const toc = parser.toc();
		if (toc) return toc;
	}
	throw corruptArchive('truncated within its table of contents');
}

/** Reads the table of contents of a tar archive, in which toc.dat comes first. */
export async function readTarToc(source: AsyncIterable<Uint8Array>): Promise<ArchiveToc> {
	return readArchiveToc(firstMember(source));
}

/** Reads the table of contents of a directory dump from its toc.dat, which claims to belong to a tar archive. */
export async function readDirectoryToc(source: AsyncIterable<Uint8Array>): Promise<ArchiveToc> {
	const toc = await readArchiveToc(source);
	return {...toc, format: 'directory'};
}

const tarBlock = 512;

async function* firstMember(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	let head = Buffer.alloc(0);
	let left: number | undefined;
	for await (const chunk of source) {
		let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
		if (left === undefined) {
			head = Buffer.concat([head, bytes]);
			if (head.length < tarBlock) continue;
			const size = /^[0-7]+/.exec(head.toString('latin1', 124, 136).trim())?.[0];
			if (!/^toc\.dat\0/.test(head.toString('latin1', 0, 100)) || size === undefined)
				throw corruptArchive('its first member is not toc.dat');
			left = Number.parseInt(size, 8);
			bytes = head.subarray(tarBlock);
		}
		const piece = bytes.subarray(0, left);
		left -= piece.length;
		if (piece.length > 0) yield piece;
		if (left === 0) return;
	}
}
