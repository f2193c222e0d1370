/** From what is configured to what this pg_dump is given: asked before the first dump, so that nonsense fails no run halfway. */
import type {DumpFormat} from '../core/formats.js';
import type {Configuration} from '../config/configuration.js';
import {PgBackError} from '../core/errors.js';
import {compressionMethods, levelOf, methodOf, type Compression} from '../lib/compression.js';
import {display} from '../lib/display.js';
import {toolEnvironment, type Environment} from '../postgres/environment.js';
import type {Tool} from '../postgres/tools.js';
import {formatVersion, supportsZstd} from '../postgres/versions.js';
import {startChild} from '../process/child.js';

/** Says what is wrong with a compression, in pg_dump's own words; undefined when it takes it. */
export type AskPgDump = (compression: string) => Promise<string | undefined>;

export type CompressionContext = {
	/** Such as 150018. */
	readonly version: number;
	readonly ask: AskPgDump;
};

/** What follows `-Z` for each database; undefined leaves it to pg_dump. Throws CONFIG for what this pg_dump cannot do. */
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
	if (format === 'tar') return compression; // never compressed: a warning says so
	if (!supportsZstd(version)) return oldSpelling(compression, version);
	const problem = await ask(compression);
	if (problem === undefined) return compression;
	throw refused(compression, problem, await abilities({version, ask}));
}

/** zstd where this pg_dump has it: more than gzip in a third of the time. Workers share the cores, and so take less of them each. */
async function automatic(format: DumpFormat, {version, ask}: CompressionContext): Promise<string | undefined> {
	if ((format !== 'custom' && format !== 'directory') || !supportsZstd(version)) return undefined;
	const best = format === 'directory' ? 'zstd:1' : 'zstd:3';
	return (await ask(best)) === undefined ? best : undefined;
}

/** Before 16 there were levels only. */
function oldSpelling(compression: string, version: number): string | undefined {
	const method = methodOf(compression);
	const level = levelOf(compression);
	if (method === 'none') return '0';
	if (method === 'gzip' && /^gzip(?::(?:level=)?\d)?$/.test(compression))
		return level === undefined ? '6' : String(level);
	throw refused(
		compression,
		`pg_dump ${formatVersion(version)} does not know it`,
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
		hint: `this pg_dump can do ${able}`,
	});
}

/** Asks by a dump that cannot connect: pg_dump looks at its options first. Each question once. */
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
	const child = startChild({command: path, args, env: {...toolEnvironment(env), LC_ALL: 'C'}, signal});
	const {stderr} = await child.done;
	const line = stderr.find(one => /compress/i.test(one));
	return line === undefined ? undefined : display(line.replace(/^\S*pg_dump: (?:error: )?/, ''));
}
