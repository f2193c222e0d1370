/** Which arguments pg_dump and pg_dumpall get, and what an old one cannot do (behaviour of 2.6, thresholds included). Pure. */

import type {DumpFormat} from '../core/formats.js';
import {compressedSuffixes, levelOf, methodOf, type CompressedSuffix} from '../lib/compression.js';
import {dumpsDatabaseProperties, supportsNoBlobs, supportsParallel} from '../postgres/versions.js';

export const dumpSuffixes: Readonly<Record<DumpFormat, string>> = {
	plain: 'sql',
	custom: 'dump',
	tar: 'tar',
	directory: 'd',
};

export type DumpChoices = {
	readonly format: DumpFormat;
	/** Jobs inside one dump; only the directory format has them. */
	readonly parallelJobs: number;
	readonly schemas: readonly string[];
	readonly excludeSchemas: readonly string[];
	readonly tables: readonly string[];
	readonly excludeTables: readonly string[];
	/** Undefined: pg_dump's default. */
	readonly withBlobs: boolean | undefined;
	/** What follows `-Z`; undefined: pg_dump's default. */
	readonly compression: string | undefined;
	readonly lockWaitTimeout?: number;
	readonly options: readonly string[];
	/** Where pg_dump writes itself: the directory format, which cannot stream. */
	readonly directory?: string;
	/** We flush the files ourselves. */
	readonly noSync?: boolean;
};

export type Arguments = {readonly args: readonly string[]; readonly warnings: readonly string[]};

/** `version` is pg_dump's, as 150018 or 90300. The connection's arguments come last and are the caller's. */
export function dumpArguments(choices: DumpChoices, version: number): Arguments {
	const warnings: string[] = [];
	const args = [`-F${choices.format.charAt(0)}`, '-w'];
	if (choices.directory !== undefined) args.push('-f', choices.directory);
	if (choices.format === 'directory' && choices.parallelJobs > 1) {
		if (supportsParallel(version)) args.push('-j', String(choices.parallelJobs));
		else warnings.push('provided pg_dump version does not support parallel jobs, ignoring option');
	}
	for (const schema of choices.schemas) args.push('-n', schema);
	for (const schema of choices.excludeSchemas) args.push('-N', schema);
	for (const table of choices.tables) args.push('-t', table);
	for (const table of choices.excludeTables) args.push('-T', table);
	if (choices.withBlobs === true) args.push('-b');
	if (choices.withBlobs === false) {
		if (supportsNoBlobs(version)) args.push('-B');
		else warnings.push('provided pg_dump version does not support excluding blobs, ignoring option');
	}
	if (choices.compression !== undefined) {
		if (choices.format === 'tar') warnings.push('compression level is not supported by the target format');
		else args.push('-Z', choices.compression);
	}
	if (choices.lockWaitTimeout !== undefined) args.push(`--lock-wait-timeout=${choices.lockWaitTimeout * 1000}`);
	if (choices.noSync && version >= 100_000) args.push('--no-sync');
	args.push(...choices.options);
	return {args, warnings};
}

/** True when the server's database creation, ACL and settings are not in this pg_dump's output (createdb.sql is then ours). */
export function needsCreateFile(version: number, format: DumpFormat): boolean {
	return !dumpsDatabaseProperties(version) || format === 'plain';
}

/** What the name of a plain dump gets at its end: that of the file that pg_dump makes. Undefined for all others. */
export function compressedSuffix(format: DumpFormat, compression: string | undefined): CompressedSuffix | undefined {
	if (format !== 'plain' || compression === undefined) return undefined;
	const method = /^\d$/.test(compression) ? methodOf(Number(compression)) : methodOf(compression);
	if (method === undefined || method === 'none') return undefined;
	// Level 0 of gzip is no compression; of the others it is their default.
	return method === 'gzip' && levelOf(compression) === 0 ? undefined : compressedSuffixes[method];
}
