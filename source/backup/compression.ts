/**
 * Resolves the configured compression for this pg_dump before the first dump, so that an invalid one does not fail a
 * run halfway.
 */
import type {Configuration} from '../config/configuration.js';
import {PgBackError} from '../core/errors.js';
import type {DumpFormat} from '../core/formats.js';
import {type Compression, compressionMethods, levelOf, methodOf} from '../lib/compression.js';
import {display} from '../lib/display.js';
import type {Environment} from '../lib/environment.js';
import type {Tool} from '../postgres/tools.js';
import {formatVersion, supportsZstd} from '../postgres/versions.js';
import {startChild} from '../process/child.js';

/** Returns pg_dump's error for a compression; undefined when it accepts it. */
export type AskPgDump = (compression: string) => Promise<string | undefined>;

export type CompressionContext = {
	/** Such as 150018. */
	readonly version: number;
	readonly ask: AskPgDump;
};

/**
 * Returns the value of `-Z` for each database; undefined for pg_dump's default. Throws CONFIG for a compression that
 * this pg_dump does not support.
 */
export async function resolveCompressions(
	configuration: Configuration,
	databases: readonly string[],
	context: CompressionContext,
): Promise<ReadonlyMap<string, string | undefined>> {
	const resolved = new Map<string, string | undefined>();
	for (const name of databases) {
		const {compressLevel, format} = configuration.forDatabase(name);
		resolved.set(name, await resolveCompression(compressLevel, format, context));
	}
	return resolved;
}

export async function resolveCompression(
	compression: Compression,
	format: DumpFormat,
	{version, ask}: CompressionContext,
): Promise<string | undefined> {
	if (typeof compression === 'number') return compression < 0 ? undefined : String(compression);
	if (compression === 'auto') return automatic(format, {version, ask});
	if (format === 'tar') return compression; // never compressed, with a warning
	if (!supportsZstd(version)) return oldSpelling(compression, version);
	const problem = await ask(compression);
	if (problem === undefined) return compression;
	throw refused(compression, problem, await abilities({version, ask}));
}

/**
 * zstd if this pg_dump supports it: smaller than gzip in a third of the time. Parallel workers share the cores, so each
 * gets fewer threads.
 */
async function automatic(format: DumpFormat, {version, ask}: CompressionContext): Promise<string | undefined> {
	if ((format !== 'custom' && format !== 'directory') || !supportsZstd(version)) return undefined;
	const best = format === 'directory' ? 'zstd:1' : 'zstd:3';
	return (await ask(best)) === undefined ? best : undefined;
}

/** Before 16 pg_dump accepts only levels. */
function oldSpelling(compression: string, version: number): string | undefined {
	const method = methodOf(compression);
	const level = levelOf(compression);
	if (method === 'none') return '0';
	if (method === 'gzip' && /^gzip(?::(?:level=)?\d)?$/.test(compression))
		return level === undefined ? '6' : String(level);
	throw refused(
		compression,
		`pg_dump ${formatVersion(version)} does not support it`,
		'none, gzip:1 to gzip:9, 0 to 9, -1 and auto',
	);
}

async function abilities({ask}: CompressionContext): Promise<string> {
	const methods: string[] = [];
	for (const method of compressionMethods) if ((await ask(method)) === undefined) methods.push(method);
	return `${methods.join(', ')} (with :LEVEL), 0 to 9, -1 and auto`;
}

function refused(compression: string, problem: string, able: string): PgBackError {
	return new PgBackError('CONFIG', `compress_level = ${compression}: ${problem}`, {
		hint: `this pg_dump supports ${able}`,
	});
}

/**
 * Returns a function that runs a dump that cannot connect: pg_dump checks its options first. Each question is asked
 * once.
 */
export function askPgDump(tool: Tool, env: Environment, signal: AbortSignal): AskPgDump {
	const known = new Map<string, Promise<string | undefined>>();
	return compression => {
		const answer = known.get(compression) ?? askOnce(tool, env, signal, compression);
		known.set(compression, answer);
		return answer;
	};
}

async function askOnce(
	{path}: Tool,
	env: Environment,
	signal: AbortSignal,
	compression: string,
): Promise<string | undefined> {
	const nowhere = 'host=/nonexistent/pg_back port=1 dbname=none connect_timeout=1';
	const args = ['-Fc', '-w', '-Z', compression, '-d', nowhere];
	const child = startChild({command: path, args, env: {...env, LC_ALL: 'C'}, signal});
	const {stderr} = await child.done;
	const line = stderr.find(one => /compress/i.test(one));
	return line === undefined ? undefined : display(line.replace(/^\S*pg_dump: (?:error: )?/, ''));
}
