/**
 * Lets psql read untrusted plain dumps: anything that could make psql run commands is rejected before psql reads it,
 * and psql itself is told to run none (`\restrict`), if it supports that.
 */
import {randomBytes} from 'node:crypto';
import type {Tool} from '../postgres/tools.js';
import type {ScannerRules} from './scanner-rules.js';
import {SqlScanner} from './sql-scanner.js';

/**
 * Passes on the text of a plain dump or of the globals, with bounded memory. Throws CORRUPT, with the line number, at
 * the first construct that pg_dump does not write and psql would act on, before psql reads it.
 */
export async function* guardedScript(
	source: AsyncIterable<Uint8Array>,
	rules: ScannerRules,
): AsyncGenerator<Uint8Array> {
	const scanner = new SqlScanner(rules);
	for await (const chunk of source) yield* scanner.push(chunk);
	yield* scanner.end();
}

export type GuardedPsql = {
	/**
	 * Arguments for psql in addition to the connection. It reads standard input, stops at the first error and prints only
	 * errors.
	 */
	readonly args: readonly string[];
	/** For the rules: this psql does not support `\restrict`. */
	readonly pin: boolean;
};

/** Returns how to start psql for `guardedScript`. */
export function guardedPsql({version}: Pick<Tool, 'version'>): GuardedPsql {
	const restricts = knowsRestrict(version);
	const key = randomBytes(24).toString('hex');
	return {
		args: [
			...['-Xqw', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null'],
			...(restricts
				? ['-c', String.raw`\restrict ${key}`, '-f', '-', '-c', String.raw`\unrestrict ${key}`]
				: ['-f', '-']),
		],
		pin: !restricts,
	};
}

/** The first minor version of each major with `\restrict`: all are of August 2025. */
const restricting: Readonly<Record<number, number>> = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6};

export function knowsRestrict(version: number): boolean {
	const major = Math.floor(version / 10_000);
	return major >= 18 || version % 10_000 >= (restricting[major] ?? Infinity);
}
