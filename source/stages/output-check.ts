/**
 * Checks that the output of pg_dump or pg_dumpall is complete, while it passes: an exit status of 0 is not enough, as a
 * full disk, a broken build or a wrapper may lose the end of it.
 */
import {PgBackError} from '../core/errors.js';
import {ArchivePlaceParser} from '../postgres/archive-toc.js';
import {ArchiveBlockWalker} from './archive-offsets.js';
import {TarCheck} from './tar.js';

type Check = {readonly push: (chunk: Uint8Array) => void; readonly finish: () => void};

/** Bytes after which the kind of the output is known. */
const headSize = 8;

/** Output that is neither an archive nor the text of pg_dump passes, such as that of a wrapper that compresses it. */
function checkFor(head: string): Check | undefined {
	if (head.startsWith('PGDMP')) return new CustomCheck();
	if (head.startsWith('toc.dat\0')) return new TarCheck();
	return /^--\r?\n/.test(head) ? new PlainCheck() : undefined;
}

export class OutputCheck {
	#head: Buffer | undefined = Buffer.alloc(0);
	#check: Check | undefined;
	#problem: string | undefined;

	/** Holds nothing of `chunk` afterwards. */
	push(chunk: Uint8Array): void {
		if (this.#head === undefined) {
			this.#attempt(check => check.push(chunk));
			return;
		}
		this.#head = Buffer.concat([this.#head, chunk]);
		if (this.#head.length >= headSize) this.#choose(this.#head);
	}

	/** Returns why the output is not complete. To be called at its end. */
	problem(): string | undefined {
		if (this.#head !== undefined) this.#choose(this.#head);
		this.#attempt(check => check.finish());
		return this.#problem;
	}

	#choose(head: Buffer): void {
		this.#head = undefined;
		this.#check = checkFor(head.toString('latin1', 0, headSize));
		this.#attempt(check => check.push(head));
	}

	#attempt(step: (check: Check) => void): void {
		if (!this.#check) return;
		try {
			step(this.#check);
		} catch (error) {
			if (!(error instanceof PgBackError)) throw error;
			// TOOLS: an archive of a newer version, which is not known here.
			if (error.code !== 'TOOLS') this.#problem = error.message;
			this.#check = undefined;
		}
	}
}

/** A custom archive is complete when every entry with data has its block, and the last block ends. */
class CustomCheck {
	readonly #expected = new Set<number>();
	readonly #parser = new ArchivePlaceParser(({dumpId, offset, awaitsOffset}) => {
		if (offset !== undefined || awaitsOffset) this.#expected.add(dumpId);
	});
	#blocks: ArchiveBlockWalker | undefined;

	push(chunk: Uint8Array): void {
		if (this.#blocks) {
			this.#blocks.push(chunk);
			return;
		}
		const rest = this.#parser.push(chunk);
		const table = this.#parser.result();
		if (!table || !rest) return;
		this.#blocks = new ArchiveBlockWalker(table.head, table.size);
		if (rest.length > 0) this.#blocks.push(rest);
	}

	finish(): void {
		if (!this.#blocks) throw corrupt('it is truncated within its table of contents');
		const found = this.#blocks.finish();
		for (const id of this.#expected)
			if (!found.has(id)) throw corrupt(`it is truncated: the data of entry ${id} is missing`);
	}
}

/** Bytes, at least those of the lines that are looked for. */
const endSize = 512;

/** pg_dump and pg_dumpall end their text with a comment that says so; builds of other vendors have another name in it. */
export function hasClosingLine(end: string): boolean {
	return /^-- .*\bdump complete\r?$/m.test(end);
}

class PlainCheck {
	#beginning = '';
	#end = Buffer.alloc(0);

	push(chunk: Uint8Array): void {
		if (this.#beginning.length < endSize) this.#beginning += Buffer.from(chunk.subarray(0, endSize)).toString('latin1');
		const kept = chunk.subarray(-endSize);
		this.#end = Buffer.from(kept.length === endSize ? kept : Buffer.concat([this.#end, kept]).subarray(-endSize));
	}

	finish(): void {
		const end = this.#end.toString('latin1');
		if (!hasClosingLine(end)) throw corrupt('its closing line is missing');
		// psql fails at a script that is not left as it was entered.
		const key = /^\\restrict (\w+)\r?$/m.exec(this.#beginning)?.[1];
		if (key !== undefined && !new RegExp(String.raw`^\\unrestrict ${key}\r?$`, 'm').test(end))
			throw corrupt('its last line (\\unrestrict) is missing');
	}
}

function corrupt(problem: string): PgBackError {
	return new PgBackError('CORRUPT', problem);
}
