/** Passes texts through the guard before psql. */
import {guardedScript} from '../../source/stages/psql-guard.js';
import type {ScannerRules} from '../../source/stages/scanner-rules.js';

/** Returns what is passed on of `text`, given to the guard in pieces of `size` bytes. Rejects as the guard does. */
export async function guard(
	text: Buffer | string,
	size = Infinity,
	rules: Partial<ScannerRules> = {},
): Promise<Buffer> {
	const bytes = Buffer.from(text);
	async function* pieces() {
		for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, Math.min(bytes.length, at + size));
	}
	const output: Uint8Array[] = [];
	for await (const piece of guardedScript(pieces(), {what: 'dump.sql', ...rules})) output.push(Buffer.from(piece));
	return Buffer.concat(output);
}
