/**
 * The arguments of pg_dump and pg_dumpall, depending on their version (compatible with 2.6, including its thresholds).
 * Pure.
 */

import type {DumpFormat} from '../core/formats.js';
import {type CompressedSuffix, compressedSuffixes, levelOf, methodOf} from '../lib/compression.js';
import {dumpsDatabaseProperties, supportsNoBlobs, supportsParallel, supportsStatistics} from '../postgres/versions.js';

export const dumpSuffixes: Readonly<Record<DumpFormat, string>> = {
	plain: 'sql',
	custom: 'dump',
	tar: 'tar',
	directory: 'd',
};

export type DumpChoices = {
	readonly format: DumpFormat;
	/** Parallel jobs in one dump; only the directory format has them. */
	readonly parallelJobs: number;
	readonly schemas: readonly string[];
	readonly excludeSchemas: readonly string[];
	readonly tables: readonly string[];
	readonly excludeTables: readonly string[];
	/** Undefined: pg_dump's default. */
	readonly withBlobs: boolean | undefined;
	/** The value of `-Z`; undefined: pg_dump's default. */
	readonly compression: string | undefined;
	readonly lockWaitTimeout?: number;
	readonly statistics: 'auto' | 'yes' | 'no';
	/** The version of the dumped server, such as 150018. */
	readonly serverVersion: number;
	readonly options: readonly string[];
	/** The directory that pg_dump itself writes, for the directory format, which cannot stream. */
	readonly directory?: string;
	/** pg_back flushes the files itself. */
	readonly noSync?: boolean;
};

export type Arguments = {readonly args: readonly string[]; readonly warnings: readonly string[]};

/**
 * Returns the arguments. `version` is pg_dump's, such as 150018 or 90300. The caller appends the connection's
 * arguments.
 */
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
	const statistics = statisticsArgument(choices, version);
	if (statistics !== undefined) args.push(statistics);
	else if (choices.statistics === 'yes') warnings.push(whyNoStatistics(version));
	if (choices.lockWaitTimeout !== undefined)
		args.push(`--lock-wait-timeout=${Math.ceil(choices.lockWaitTimeout * 1000)}`);
	if (choices.noSync && version >= 100_000) args.push('--no-sync');
	args.push(...choices.options);
	return {args, warnings};
}

/** pg_dump rejects `--statistics` together with these; abbreviated options count too. */
const decidesStatistics = /^(?:-[a-zA-Z]*[as]|--(?:schema-o|data-o|stat|no-stat).*)$/;

/** Returns undefined when pg_dump has no such option, when other options decide, or when its default is wanted. */
function statisticsArgument(
	{statistics, serverVersion, options}: DumpChoices,
	version: number,
): '--statistics' | '--no-statistics' | undefined {
	if (!supportsStatistics(version) || options.some(option => decidesStatistics.test(option))) return undefined;
	// pg_dump excludes them by default, so the command line for an older server does not change.
	if (statistics === 'auto') return supportsStatistics(serverVersion) ? '--statistics' : undefined;
	return statistics === 'yes' ? '--statistics' : '--no-statistics';
}

function whyNoStatistics(version: number): string {
	return supportsStatistics(version)
		? 'dump_statistics = yes has no effect: pg_dump_options decide what is dumped'
		: 'dump_statistics = yes has no effect: pg_dump 18 or newer is needed';
}

/**
 * Returns true when this pg_dump does not write the database's creation, ACL and settings, so that pg_back writes
 * createdb.sql.
 */
export function needsCreateFile(version: number, format: DumpFormat): boolean {
	return !dumpsDatabaseProperties(version) || format === 'plain';
}

/**
 * Returns the suffix of a compressed plain dump, for the kind of file that pg_dump creates; undefined for all others.
 */
export function compressedSuffix(format: DumpFormat, compression: string | undefined): CompressedSuffix | undefined {
	if (format !== 'plain' || compression === undefined) return undefined;
	const method = /^\d$/.test(compression) ? methodOf(Number(compression)) : methodOf(compression);
	if (method === undefined || method === 'none') return undefined;
	// Level 0 of gzip means no compression; for the other methods it is their default level.
	return method === 'gzip' && levelOf(compression) === 0 ? undefined : compressedSuffixes[method];
}
